"""Folders of suites, given to a report: each stands for those of its workloads that have rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.store.store import Store
from studies.store.suites.folders import workload_folders


@dataclass(frozen=True)
class Given:
    """What is to be reported on.

    Attributes:
        locations: Folders of studies, and files of rows.
        out: Where the report goes, if that is known: a suite alone has its own folder.
        left_out: Why a workload's folder is not reported on, by the folder: no trial of it is finished.
    """

    locations: list[str | Path]
    out: str | Path | None
    left_out: dict[str, str]


def with_workloads(locations: Sequence[str | Path], out: str | Path | None) -> Given:
    """Put the folders of its workloads in the place of each folder of a suite.

    Args:
        locations: Folders of studies and of suites, and files of rows.
        out: The folder that the report goes into, if one was given.

    Raises:
        StoreError: If a location cannot be understood.
    """
    found: list[str | Path] = []
    left_out: dict[str, str] = {}
    for location in locations:
        folders = workload_folders(location)
        begun = [folder for folder in folders if Store(folder).trial_ids()]
        if folders and out is None and len(locations) == 1:
            out = location
        if begun:
            empty = [str(folder) for folder in folders if folder not in begun]
            left_out |= dict.fromkeys(empty, "holds no finished trial yet")
        found += begun or folders or [location]
    return Given(found, out, left_out)
