"""A study as a whole: what is swept, from a YAML file or from Python, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    PrivateAttr,
    ValidationError,
)

from robustness.optimizers import Signature
from robustness.tasks import BaseTask, name_rule
from robustness.training import Schedule, Training
from robustness.user_code.names import importable, is_own
from studies.spec.errors import SpecError
from studies.spec.functions.function import FunctionSpec, MetricKeys, function_problems, read_metric
from studies.spec.grid import Grid, LogRange
from studies.spec.growth import Extend, growth_problems, measure_problems, read_extend
from studies.spec.objectives import metric_of
from studies.spec.optimizers.checks import EntryChecks
from studies.spec.optimizers.entries import OptimizerEntry, read_entries
from studies.spec.optimizers.own_code import OwnCode, find_own
from studies.spec.optimizers.variants import UNKNOWN, Variant
from studies.spec.problems import Location, Problem, describe, one_line, raise_all
from studies.spec.protocols import with_protocol
from studies.spec.search import SearchSpec, for_metric, search_problems
from studies.spec.sections import (
    Budget,
    CheckpointKeys,
    Diagnostics,
    Resources,
    TrainingKeys,
    check_schedule,
    folder_name,
    read_schedule,
    read_training,
    shown_name,
)
from studies.spec.sourced import Sourced
from studies.spec.task import TaskSpec, make_task, read_task
from studies.spec.values import MAX_POINTS, Text, dumped, seed_list
from studies.spec.verdict import MarginKeys, VerdictSpec, verdict_problems

MAX_TRIALS = 1_000_000


class StudySpec(Sourced):
    """A study.

    ``StudySpec(name=…, task=…, …)`` takes what a YAML file holds, numpy's numbers and arrays, tuples and paths too,
    and raises the same ``SpecError``. A number is the decimal that it is written as: ``np.float32(1e-4)`` is 1e-4.

    Attributes:
        name: Names the study and its folder.
        task: A task's name, or a mapping of ``name`` and the task's options; or a training function of one's own, as
            a mapping of ``train``, ``version``, ``examples`` and its options.
        workload: What tables and figures call the task, with its data and budget; default: the task's name.
        metric: What cells are selected by and optimizers judged by: ``error``, ``loss`` or the name of the task's own
            metric; default: the task's own. No trial depends on it. Of a training function, a mapping of ``name``,
            ``direction``, ``unit`` and ``nothing``.
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
    task: Annotated[TaskSpec | FunctionSpec, PlainValidator(read_task), PlainSerializer(dumped)]
    workload: Annotated[Text, AfterValidator(shown_name)] | None = None
    metric: Annotated[Text | MetricKeys | None, PlainValidator(read_metric), PlainSerializer(dumped)] = None
    protocol: Text | None = None
    budget: Budget
    schedule: Annotated[Schedule, PlainValidator(read_schedule), PlainSerializer(Schedule.values)] = (
        Schedule()
    )
    training: Annotated[Training, BeforeValidator(read_training)] = Training()
    seeds: Annotated[tuple[int, ...], BeforeValidator(seed_list)] = (0,)
    grid: Grid
    optimizers: Annotated[dict[Text, OptimizerEntry], Field(min_length=1), BeforeValidator(read_entries)]
    extend: Annotated[Extend | None, BeforeValidator(read_extend)] = None
    confirm: Annotated[int, Field(strict=True, ge=0, le=MAX_POINTS)] = 0
    resources: Resources = Resources.model_validate({})
    checkpoint: CheckpointKeys | None = None
    verdict: VerdictSpec | None = None
    search: SearchSpec | None = None
    flatness: Literal["none", "selected", "all"] = "none"
    diagnostics: Diagnostics | None = None

    _own: OwnCode = PrivateAttr(default=OwnCode())

    def __init__(self, own: OwnCode | None = None, /, **data: Any) -> None:
        try:
            super().__init__(**with_protocol(data))
            self._own = own or OwnCode()
            raise_all(self._problems(EntryChecks(self.grid, self._own)))
        except ValidationError as error:
            raise SpecError(describe(error, _allowed_keys())) from None

    def _problems(self, checks: EntryChecks) -> list[Problem]:
        # a user's own module is imported by those who train, and not by those who read what was trained
        function = isinstance(self.task, FunctionSpec)
        rule = None if function else name_rule(self.task.name)
        problems = [Problem(("task",), self.task.name, rule)] if rule else []
        asked = {
            "flatness": self.flatness if self.flatness != "none" else None,
            "diagnostics": self.diagnostics and list(self.diagnostics.epochs),
        }
        asked = {key: value for key, value in asked.items() if value is not None}
        problems += function_problems(function, self.metric, self.training, asked)
        problems += checks.all_problems(self.optimizers)
        problems = problems or [
            *search_problems(self.search, self.optimizers, checks),
            *measure_problems(self.diagnostics, self.flatness, self.budget, self.grid),
        ]
        if not problems:
            problems += growth_problems(self.extend, self.confirm, self.grid, self.optimizers)
        if not problems and self.count() + self.count_confirm() > MAX_TRIALS:
            rule = f"trials; a study may have at most {MAX_TRIALS}"
            problems.append(Problem(("grid",), self.count() + self.count_confirm(), rule))
        if not problems and self.verdict is not None and self.knows_optimizers:
            labels = [variant.label for key in self.optimizers for variant in self.variants(key)]
            problems += [
                problem._replace(location=("verdict", *problem.location))
                for problem in verdict_problems(self.verdict, labels)
            ]
        return problems

    @property
    def title(self) -> str:
        """What screens call it: by its name, and by its workload's where it has one."""
        return self.name if self.workload is None else f"{self.name}/{self.workload}"

    def count(self) -> int:
        """Return the number of trials of the grid."""
        cells = sum(
            entry.count(self._taken(key)) * len(entry.rates(self.grid)) * len(self.decays(key))
            for key, entry in self.optimizers.items()
        )
        return cells * len(self.grid.grad_scale) * len(self.seeds)

    def count_confirm(self) -> int:
        """Return the number of trials that confirm selected cells."""
        return self.confirm * sum(entry.count(self._taken(key)) for key, entry in self.optimizers.items())

    def decays(self, key: str) -> tuple[float, ...]:
        """Return the weight decays of the optimizer that is listed under ``key``."""
        return self.optimizers[key].decays(self.grid, self._taken(key))

    def variants(self, key: str) -> Iterator[Variant]:
        """Yield the fixed variations of the optimizer that is listed under ``key``.

        Raises:
            SpecError: If it is a user's own that is neither found (``load_optimizers``) nor remembered.
        """
        entry = self.optimizers[key]
        return entry.variants(key, self._own.known(entry.named(key), f"{self._source}: optimizers.{key}"))

    @property
    def knows_optimizers(self) -> bool:
        """Whether what each optimizer takes is known, those of a user's own included."""
        return all(map(self._taken, self.optimizers))

    def _taken(self, key: str) -> Signature | None:
        return self._own.signature(self.optimizers[key].named(key))

    def with_own(self, own: OwnCode) -> StudySpec:
        """Return the study with ``own`` in the place of what is known of the same optimizers and schedules."""
        spec = self.model_copy()
        spec._own = self._own.replaced(own)
        return spec

    @property
    def own(self) -> OwnCode:
        """What is known of the user's own optimizers and schedules."""
        return self._own

    def load_optimizers(self) -> StudySpec:
        """Return the study with the user's own optimizers and schedule found, and every variation built.

        Their modules may be in the folder of the study's file, or in the current one.

        Raises:
            SpecError: If one of them is not there, or does not take what the study gives it.
        """
        names = {key: entry.named(key) for key, entry in self.optimizers.items()}
        spec = self.model_copy()
        try:
            with importable(Path.cwd()), importable(self._folder):
                spec._own = find_own(names, self.schedule.name, self._folder)
                raise_all(spec._problems(EntryChecks(self.grid, spec._own, found=True)))
        except ValidationError as error:
            raise SpecError(one_line(f"{self._source}: {describe(error, _allowed_keys())}")) from None
        return spec

    def load_task(self) -> BaseTask:
        """Make the task, with the study's metric; its module may be in the folder of the study's file.

        Raises:
            SpecError: If it cannot be made, or cannot be judged by the study's metric.
        """
        return make_task(self.task, self.training, self._folder, self._source, self.metric)

    def resolved(self, task: BaseTask) -> StudySpec:
        """Return the study with what its task decides: a full batch's size, the objective that its metric has.

        Raises:
            SpecError: If the batch size, a search's objective or the schedule does not suit the task.
        """
        try:
            search = self.search and for_metric(self.search, metric_of(task))
            budget = self.budget.resolved(task.examples)
        except ValueError as error:
            raise SpecError(one_line(f"{self._source}: {error}")) from None
        steps = task.steps(budget.epochs, budget.batch_size)
        if steps is None:
            self._check_without_steps()
        else:
            check_schedule(self.schedule, steps, self._folder, self._source)
        return self.model_copy(update={"budget": budget, "search": search})

    def _check_without_steps(self) -> None:
        """Refuse what cannot be known or checked without the steps of a trial.

        Raises:
            SpecError: If the schedule is a function of the user's own, or a hyperparameter is a share of the steps.
        """
        try:
            if is_own(self.schedule.name):
                raise SpecError(
                    f"schedule: {self.schedule.name!r}: is asked for its rates over a trial's {UNKNOWN}"
                )
            for key in self.optimizers:
                for variant in self.variants(key):
                    variant.hyperparameters(None)
        except SpecError as error:
            raise SpecError(one_line(f"{self._source}: {error}")) from None


def _allowed_keys() -> dict[Location, list[str]]:
    models = {
        "": StudySpec, "task": TaskSpec, "budget": Budget, "training": TrainingKeys, "grid": Grid,
        "grid.lr": LogRange, "diagnostics": Diagnostics, "extend": Extend, "resources": Resources,
        "checkpoint": CheckpointKeys, "verdict": VerdictSpec, "verdict.margins": MarginKeys, "search": SearchSpec,
        "metric": MetricKeys,
    }  # fmt: skip
    return {tuple(filter(None, key.split("."))): list(model.model_fields) for key, model in models.items()}
