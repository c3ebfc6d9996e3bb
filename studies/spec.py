"""A study: what is swept, from a YAML file or from Python, checked before anything is trained."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from robustness.tasks import TASKS, Task, load
from robustness.training.settings import Schedule
from studies import yamlfile
from studies.entries import OptimizerEntry, entry_problems
from studies.errors import SpecError
from studies.grids import Grid, LogRange, Strict, Text, seed_list
from studies.parts import Budget, Diagnostics, ScheduleKeys, TaskSpec, folder_name, read_schedule
from studies.problems import Location, Problem, describe, nearest, one_line, one_of, raise_all

__all__ = ["SpecError", "StudySpec", "TaskSpec", "load_spec", "presets", "study_name"]

MAX_TRIALS = 1_000_000


def _task(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _entries(value: object) -> object:
    """Check what the optimizers are listed under; an optimizer without keys is an empty mapping."""
    if not isinstance(value, Mapping):
        return value
    raise_all(
        Problem((key,), key, "must be letters, digits, '.', '_', '+' or '-', since labels begin with it")
        for key in value
        if isinstance(key, str) and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", key)
    )
    return {key: {} if entry is None else entry for key, entry in value.items()}


class StudySpec(Strict):
    """A study.

    ``StudySpec(name=…, task=…, …)`` takes what a YAML file holds, and raises the same one-line ``SpecError``.

    Attributes:
        name: Names the study and its folder.
        task: A task's name, or a mapping of ``name`` and the task's options.
        budget: The same for every trial.
        schedule: The same for every trial; its fractions are of a trial's steps.
        seeds: A number of seeds (0 to n - 1), or a list; held as the seeds themselves.
        grid: The axes that all optimizers share.
        optimizers: What is compared, under registered names, or under any other with ``optimizer: name``.
        flatness: Of which trials flatness is measured: ``none``, ``all``, or ``selected``, the runs that stand for
            each optimizer's validation-best cell.
        diagnostics: ``{epochs: [1, 5, 20]}``: after these epochs the spread of the second moment in each layer
            is stored, of trials that are trained from then on.

    Example:
        >>> spec = StudySpec(
        ...     name="rates",
        ...     task="digits-mlp",
        ...     budget={"epochs": 2, "batch_size": 64},
        ...     grid={"lr": {"decades": 2, "points": 3}, "weight_decay": [0]},
        ...     optimizers={"ada2ms": {"lr": 1e-3, "mixing": [0, 0.5, 1]}},
        ... )
        >>> spec.count()
        9
    """

    name: Annotated[Text, AfterValidator(folder_name)]
    task: Annotated[TaskSpec, BeforeValidator(_task)]
    budget: Budget
    schedule: Annotated[Schedule, BeforeValidator(read_schedule)] = Schedule()
    seeds: Annotated[tuple[int, ...], BeforeValidator(seed_list)] = (0,)
    grid: Grid
    optimizers: Annotated[dict[Text, OptimizerEntry], Field(min_length=1), BeforeValidator(_entries)]
    flatness: Literal["none", "selected", "all"] = "none"
    diagnostics: Diagnostics | None = None

    _folder: Path | None = PrivateAttr(default=None)
    _source: str = PrivateAttr(default="study")

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise SpecError(describe(error, _allowed_keys())) from None

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, wherever they were read from."""
        return isinstance(other, StudySpec) and self.model_dump() == other.model_dump()

    @model_validator(mode="after")
    def _check(self) -> StudySpec:
        problems: list[Problem] = []
        if ":" not in self.task.name and self.task.name not in TASKS:
            # a user's own module is imported by those who train, and not by those who read what was trained
            rule = one_of(self.task.name, [*TASKS, "package.module:function"])
            problems.append(Problem(("task",), self.task.name, rule))
        for key, entry in self.optimizers.items():
            problems += [
                problem._replace(location=("optimizers", key, *problem.location))
                for problem in entry_problems(key, entry, self.grid)
            ]
        if self.diagnostics and max(self.diagnostics.epochs) > self.budget.epochs:
            rule = f"must be at most budget.epochs ({self.budget.epochs})"
            problems.append(Problem(("diagnostics", "epochs"), list(self.diagnostics.epochs), rule))
        if self.flatness == "selected" and not any(math.isclose(c, 1.0) for c in self.grid.grad_scale):
            rule = "needs 1 among grid.grad_scale, where cells are selected"
            problems.append(Problem(("flatness",), self.flatness, rule))
        if not problems and self.count() > MAX_TRIALS:
            rule = f"trials; a study may have at most {MAX_TRIALS}"
            problems.append(Problem(("grid",), self.count(), rule))
        raise_all(problems)
        return self

    def count(self) -> int:
        """Return the number of trials."""
        cells = sum(
            entry.count() * len(entry.rates(self.grid)) * len(entry.decays(self.grid))
            for entry in self.optimizers.values()
        )
        return cells * len(self.grid.grad_scale) * len(self.seeds)

    def to_yaml(self) -> str:
        """Return a study file that says the same, with every default written out."""
        return yamlfile.dump(self.model_dump(mode="json"))

    @classmethod
    def from_yaml(cls, path: str | Path) -> StudySpec:
        """Read a study file. A task's module may lie beside it.

        Raises:
            SpecError: If there is no such file or it holds no valid study; one line, beginning with the file.
        """
        try:
            return cls.from_text(yamlfile.read_text(Path(path)), str(path), Path(path).resolve().parent)
        except OSError as error:
            raise SpecError(f"{path}: cannot be read: {error}") from None

    @classmethod
    def from_text(cls, text: str, source: str, folder: Path | None = None) -> StudySpec:
        """Read a study from ``text``.

        Args:
            text: YAML.
            source: What messages begin with.
            folder: Where a task's module may lie.

        Raises:
            SpecError: If it holds no valid study.
        """
        try:
            spec = cls(**yamlfile.parse(text))
        except SpecError as error:
            raise SpecError(one_line(f"{source}: {error}")) from None
        spec._folder, spec._source = folder, source
        return spec

    def load_task(self) -> Task:
        """Make the task; a user's own module may lie beside the study's file.

        Raises:
            SpecError: If it cannot be made.
        """
        try:
            with _on_path(self._folder):
                return load(self.task.name, **self.task.options)
        except Exception as error:  # a user's own function may raise anything
            kind = "" if isinstance(error, ValueError) else f"{self.task.name!r}: {type(error).__name__}: "
            reason = str(error).removeprefix("task ")
            raise SpecError(one_line(f"{self._source}: task: {kind}{reason}")) from error


def _allowed_keys() -> dict[Location, list[str]]:
    models = {
        (): StudySpec,
        ("task",): TaskSpec,
        ("budget",): Budget,
        ("schedule",): ScheduleKeys,
        ("grid",): Grid,
        ("diagnostics",): Diagnostics,
        ("grid", "lr"): LogRange,
    }
    return {location: list(model.model_fields) for location, model in models.items()}


@contextmanager
def _on_path(folder: Path | None) -> Iterator[None]:
    added = [str(folder)] if folder is not None else []
    sys.path[:0] = added
    try:
        yield
    finally:
        with suppress(ValueError):  # an imported module may have changed the path itself
            for entry in added:
                sys.path.remove(entry)


def study_name(text: str) -> str | None:
    """Return the name in a study's YAML without checking the study, or None if it has none.

    Raises:
        SpecError: If ``text`` is no YAML mapping.
    """
    name = yamlfile.parse(text).get("name")
    return name if isinstance(name, str) else None


def presets() -> dict[str, str]:
    """Return the presets that come with this package: their names, and each one's first comment line."""
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


def load_spec(name_or_path: str | Path) -> StudySpec:
    """Return the preset of that name, or the study in that YAML file.

    Raises:
        SpecError: If there is neither, or it holds no valid study.
    """
    files = dict(_preset_files(resources.files("studies") / "presets"))
    if isinstance(name_or_path, str) and name_or_path in files:
        text = files[name_or_path].read_text("utf-8")
        return StudySpec.from_text(text, f"{name_or_path} (preset)")
    path = Path(name_or_path)
    if isinstance(name_or_path, Path) or path.suffix in (".yaml", ".yml") or os.path.exists(path):
        return StudySpec.from_yaml(path)
    hint = nearest(name_or_path, files)
    raise SpecError(f"{name_or_path!r}: must be a YAML file or one of {', '.join(sorted(files))}{hint}")
