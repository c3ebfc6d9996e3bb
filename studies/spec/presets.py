"""Studies by name: the presets that come with this package, and YAML files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from studies.spec.errors import SpecError
from studies.spec.problems import did_you_mean
from studies.spec.strict_yaml import is_suite, read_text
from studies.spec.study import StudySpec
from studies.spec.suites.suite import SuiteSpec


def presets() -> dict[str, str]:
    """Return the first comment line of each preset that comes with this package, by the preset's name."""
    return {
        name: file.read_text("utf-8").splitlines()[0].removeprefix("#").strip()
        for name, file in sorted(_preset_files(resources.files("studies") / "presets"))
    }


def _preset_files(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _preset_files(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield prefix + entry.name.removesuffix(".yaml"), entry


def load_spec(name_or_path: str | Path) -> StudySpec | SuiteSpec:
    """Return the preset of that name, or the study or suite of workloads in that YAML file.

    Raises:
        SpecError: If there is neither, or it holds no valid study.
    """
    files = dict(_preset_files(resources.files("studies") / "presets"))
    if isinstance(name_or_path, str) and name_or_path in files:
        text = files[name_or_path].read_text("utf-8")
        return StudySpec.from_text(text, f"{name_or_path} (preset)")
    path = Path(name_or_path)
    if isinstance(name_or_path, Path) or path.suffix in (".yaml", ".yml") or os.path.exists(path):
        kind: type[StudySpec | SuiteSpec] = SuiteSpec if is_suite(read_text(path)) else StudySpec
        return kind.from_yaml(path)
    hint = did_you_mean(name_or_path, files)
    raise SpecError(f"{name_or_path!r}: must be a YAML file or one of {', '.join(sorted(files))}{hint}")
