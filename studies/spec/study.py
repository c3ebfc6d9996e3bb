"""A study as a whole: what is swept, from a YAML file or from Python, checked before anything is trained."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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

from analysis.trials import at_scale_one
from robustness.tasks import Task, name_rule
from robustness.training.settings import Schedule, Training
from studies.spec import strict_yaml
from studies.spec.errors import SpecError
from studies.spec.grid import Grid, LogRange
from studies.spec.growth import Extend, growth_problems, read_extend
from studies.spec.objectives import metric_of
from studies.spec.optimizers import OptimizerEntry, entry_problems
from studies.spec.problems import Location, Problem, describe, one_line, raise_all
from studies.spec.protocols import with_protocol
from studies.spec.search import SearchSpec, for_metric, search_problems
from studies.spec.sections import (
    Budget,
    CheckpointKeys,
    Diagnostics,
    Resources,
    ScheduleKeys,
    TrainingKeys,
    folder_name,
    read_schedule,
    read_training,
)
from studies.spec.task import TaskSpec, make_task, read_task
from studies.spec.values import MAX_POINTS, Strict, Text, seed_list
from studies.spec.verdict import MarginKeys, VerdictSpec, verdict_problems

MAX_TRIALS = 1_000_000


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
        metric: What cells are selected by and optimizers judged by: ``error``, ``loss`` or the name of the task's own
            metric; default: the task's own. No trial depends on it.
        protocol: A name in ``studies.spec.protocols.PROTOCOLS``; its values hold for the keys that are not given.
        budget: The same for every trial.
        schedule: The same for every trial; its fractions are of a trial's steps.
        training: The same for every trial: weight decay's mask, clipping, label smoothing, precision.
        seeds: A number of seeds (0 to n - 1), or a list of them; here always the list.
        grid: The axes that all optimizers share.
        optimizers: What is compared, under registered names, or under any other with ``optimizer: name``.
        extend: ``true``, or ``{decades: …}`` (default 3): after the grid, learning rates are added with the same
            spacing until every label's best cell has 1.5 decades and two cells on either side, or until so many
            decades have been added to a side.
        confirm: How many fresh seeds (1000 and on) are then run at every label's validation-best cell.
        resources: What each worker takes of a cluster.
        checkpoint: How often long trials are saved while they train; never, unless given.
        verdict: What the study is to judge, if anything; its margins are declared before anything runs.
        search: What ``robustness search`` looks for.
        flatness: The trials whose flatness is measured: ``none``, ``all``, or ``selected``, those at each label's
            validation-best cell.
        diagnostics: ``{epochs: [1, 5, 20]}``: after these epochs the spread of the second moment in each layer is
            stored. Trials that are stored already are not trained again for it.

    Examples:
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
    task: Annotated[TaskSpec, BeforeValidator(read_task)]
    metric: Text | None = None
    protocol: Text | None = None
    budget: Budget
    schedule: Annotated[Schedule, BeforeValidator(read_schedule)] = Schedule()
    training: Annotated[Training, BeforeValidator(read_training)] = Training()
    seeds: Annotated[tuple[int, ...], BeforeValidator(seed_list)] = (0,)
    grid: Grid
    optimizers: Annotated[dict[Text, OptimizerEntry], Field(min_length=1), BeforeValidator(_entries)]
    extend: Annotated[Extend | None, BeforeValidator(read_extend)] = None
    confirm: Annotated[int, Field(strict=True, ge=0, le=MAX_POINTS)] = 0
    resources: Resources = Resources.model_validate({})
    checkpoint: CheckpointKeys | None = None
    verdict: VerdictSpec | None = None
    search: SearchSpec | None = None
    flatness: Literal["none", "selected", "all"] = "none"
    diagnostics: Diagnostics | None = None

    _folder: Path | None = PrivateAttr(default=None)
    _source: str = PrivateAttr(default="study")

    def __init__(self, /, **data: Any) -> None:
        try:
            super().__init__(**with_protocol(data))
        except ValidationError as error:
            raise SpecError(describe(error, _allowed_keys())) from None

    def __eq__(self, other: object) -> bool:
        """Whether both have the same values, wherever they were read from."""
        return isinstance(other, StudySpec) and self.model_dump() == other.model_dump()

    @model_validator(mode="after")
    def _check(self) -> StudySpec:
        problems: list[Problem] = []
        # a user's own module is imported by those who train, and not by those who read what was trained
        if rule := name_rule(self.task.name):
            problems.append(Problem(("task",), self.task.name, rule))
        for key, entry in self.optimizers.items():
            problems += [
                problem._replace(location=("optimizers", key, *problem.location))
                for problem in entry_problems(key, entry, self.grid)
            ]
        problems = problems or [
            *search_problems(self.search, self.optimizers, self.grid),
            *self._measure_problems(),
        ]
        if not problems:
            problems += growth_problems(self.extend, self.confirm, self.grid, self.optimizers)
        if not problems and self.count() + self.count_confirm() > MAX_TRIALS:
            rule = f"trials; a study may have at most {MAX_TRIALS}"
            problems.append(Problem(("grid",), self.count() + self.count_confirm(), rule))
        if not problems and self.verdict is not None:
            labels = [v.label for key, entry in self.optimizers.items() for v in entry.variants(key)]
            problems += [
                problem._replace(location=("verdict", *problem.location))
                for problem in verdict_problems(self.verdict, labels)
            ]
        raise_all(problems)
        return self

    def _measure_problems(self) -> Iterator[Problem]:
        if self.diagnostics and max(self.diagnostics.epochs) > self.budget.epochs:
            rule = f"must be at most budget.epochs ({self.budget.epochs})"
            yield Problem(("diagnostics", "epochs"), list(self.diagnostics.epochs), rule)
        if self.flatness == "selected" and not any(map(at_scale_one, self.grid.grad_scale)):
            rule = "needs 1 among grid.grad_scale, where cells are selected"
            yield Problem(("flatness",), self.flatness, rule)

    def count(self) -> int:
        """Return the number of trials of the grid."""
        cells = sum(
            entry.count() * len(entry.rates(self.grid)) * len(entry.decays(self.grid))
            for entry in self.optimizers.values()
        )
        return cells * len(self.grid.grad_scale) * len(self.seeds)

    def count_confirm(self) -> int:
        """Return the number of trials that confirm selected cells."""
        return self.confirm * sum(entry.count() for entry in self.optimizers.values())

    def to_yaml(self) -> str:
        """Return a study file with the same values, every default written out."""
        return strict_yaml.dump(self.model_dump(mode="json"))

    @classmethod
    def from_yaml(cls, path: str | Path) -> StudySpec:
        """Read a study file; the module of a user's own task may be in the same folder.

        Raises:
            SpecError: If there is no such file or it holds no valid study; one line, beginning with the file.
        """
        try:
            return cls.from_text(strict_yaml.read_text(Path(path)), str(path), Path(path).resolve().parent)
        except OSError as error:
            raise SpecError(f"{path}: cannot be read: {error}") from None

    @classmethod
    def from_text(cls, text: str, source: str, folder: Path | None = None) -> StudySpec:
        """Read a study from ``text``.

        Args:
            text: YAML.
            source: What messages begin with.
            folder: Where the module of a user's own task may be.

        Raises:
            SpecError: If it holds no valid study.
        """
        try:
            spec = cls(**strict_yaml.parse(text))
        except SpecError as error:
            raise SpecError(one_line(f"{source}: {error}")) from None
        spec._folder, spec._source = folder, source
        return spec

    @property
    def file(self) -> Path | None:
        """The file that this study was read from; None for a preset and for a study from Python."""
        return None if self._folder is None else self._folder / Path(self._source).name

    @property
    def source(self) -> str:
        """What messages begin with: the file or the preset that this study was read from; otherwise "study"."""
        return self._source

    @property
    def folder(self) -> Path | None:
        """The folder of the study's file, where a user's own modules may be; None where there is no file."""
        return self._folder

    def load_task(self) -> Task:
        """Make the task, with the study's metric; its module may be in the folder of the study's file.

        Raises:
            SpecError: If it cannot be made, or cannot be judged by the study's metric.
        """
        return make_task(self.task, self.training, self._folder, self._source, self.metric)

    def resolved(self, task: Task) -> StudySpec:
        """Return the study with what its task decides: a full batch's size, the objective that its metric has.

        Raises:
            SpecError: If ``batch_size`` is above the training split, or a search's objective is not the metric's.
        """
        try:
            search = self.search and for_metric(self.search, metric_of(task))
            return self.model_copy(update={"budget": self.budget.resolved(len(task.train)), "search": search})
        except ValueError as error:
            raise SpecError(one_line(f"{self._source}: {error}")) from None


def _allowed_keys() -> dict[Location, list[str]]:
    models = {
        (): StudySpec,
        ("task",): TaskSpec,
        ("budget",): Budget,
        ("schedule",): ScheduleKeys,
        ("training",): TrainingKeys,
        ("grid",): Grid,
        ("diagnostics",): Diagnostics,
        ("grid", "lr"): LogRange,
        ("extend",): Extend,
        ("resources",): Resources,
        ("checkpoint",): CheckpointKeys,
        ("verdict",): VerdictSpec,
        ("verdict", "margins"): MarginKeys,
        ("search",): SearchSpec,
    }
    return {location: list(model.model_fields) for location, model in models.items()}


def study_name(text: str, source: str = "study") -> str | None:
    """Return the name in a study's YAML without checking the study, or None if it has none.

    Raises:
        SpecError: If ``text`` is no YAML mapping; the message begins with ``source``.
    """
    try:
        name = strict_yaml.parse(text).get("name")
    except SpecError as error:
        raise SpecError(one_line(f"{source}: {error}")) from None
    return name if isinstance(name, str) else None
