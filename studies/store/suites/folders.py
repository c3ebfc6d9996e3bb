"""Where the workloads of a suite are: each in a folder of its own, within the suite's, as a study like any other."""

from __future__ import annotations

from pathlib import Path

from studies.spec.strict_yaml import workload_names
from studies.store.files import Files
from studies.store.layout import STUDY_FILE


def workload_folders(location: str | Path) -> list[str | Path]:
    """Return the folders of the workloads of the suite in a folder; none where it holds no suite.

    Raises:
        StoreError: If the location cannot be understood.
    """
    files = Files(location)
    try:
        text = files.read(STUDY_FILE).decode(errors="replace")
    except OSError:  # said where the study itself is opened
        return []
    return [files.within(name) for name in workload_names(text)]


def study_folders(location: str | Path) -> list[str | Path]:
    """Return the folder itself, or those of the workloads of the suite in it.

    Raises:
        StoreError: If the location cannot be understood.
    """
    return workload_folders(location) or [location]
