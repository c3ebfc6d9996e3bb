"""The key ``search`` of a study file: which hyperparameters are searched, where, and for what."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, model_validator

from analysis.metrics.reference_gap import REFERENCES
from analysis.task_metric import TaskMetric, value_column
from studies.spec.objectives import OBJECTIVES
from studies.spec.optimizers.checks import EntryChecks
from studies.spec.optimizers.entries import OptimizerEntry
from studies.spec.problems import NOTHING, Problem, one_of, raise_all, unknown_key
from studies.spec.values import MAX_POINTS, Natural, Number, Scalar, Setting, Strict, Text, distinct

_VALUES: TypeAdapter[tuple[Scalar, ...]] = TypeAdapter(Annotated[Any, Setting])


class Range(Strict):
    """Numbers from ``low`` to ``high``.

    Attributes:
        low: The smallest.
        high: The largest.
        log: Whether they are searched, and spaced, on a logarithmic scale.
        points: How many of them the sampler ``grid`` takes, both ends included.
    """

    low: Number
    high: Number
    log: Annotated[bool, Field(strict=True)] = False
    points: Annotated[int, Field(strict=True, ge=2, le=MAX_POINTS)] | None = None

    @model_validator(mode="after")
    def _check(self) -> Range:
        if not self.low < self.high:
            raise_all([Problem(("high",), self.high, f"must be above low, which is {self.low:g}")])
        if self.log and self.low <= 0:
            raise_all([Problem(("low",), self.low, "must be above 0 on a logarithmic scale")])
        return self

    def rounded(self, value: float) -> float:
        """Return ``value`` rounded, so that values that hardly differ are trained once.

        On a logarithmic scale to 3 significant digits, else to a multiple of the largest power of ten that is at
        most a 1,000th of the range.
        """
        if self.log:
            near = float(f"{value:.3g}")
        else:
            near = round(value, 3 - math.floor(math.log10(self.high - self.low) + 1e-9))
        return min(max(near, self.low), self.high) + 0.0

    def values(self) -> tuple[float, ...]:
        """Return ``points`` values, evenly spaced, rounded."""
        if self.points is None:
            raise ValueError("a range without points has no values")
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        steps = [low + (high - low) * index / (self.points - 1) for index in range(self.points)]
        return tuple(self.rounded(10**step if self.log else step) for step in steps)


def _axis(value: object) -> object:
    if isinstance(value, Mapping | Range):
        keys = Range.model_fields
        raise_all(unknown_key((key,), item, keys) for key, item in dict(value).items() if key not in keys)
        return Range.model_validate(value)
    if not isinstance(value, list | tuple):
        raise ValueError("must be {low: …, high: …} or a list of values")
    return _VALUES.validate_python(value)


def _objectives(value: object) -> object:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list | tuple):
        raise_all(
            Problem((index,), name, one_of(str(name), OBJECTIVES))
            for index, name in enumerate(names)
            if name not in OBJECTIVES
        )
        distinct(tuple(names))
    return names


class SearchSpec(Strict):
    """A search over hyperparameters, each point of which is scored on its whole surface.

    Attributes:
        optimizer: Which of the study's ``optimizers`` is searched; the others are its references.
        space: Its hyperparameters' ranges, or lists of values to choose from.
        objectives: What a point is scored by, of ``studies.spec.objectives.OBJECTIVES``; by default the value of the
            task's metric on validation (``val_error``, or ``val_metric`` where that is not the error) and S.
        sampler: What suggests the points; ``grid`` takes all combinations of values, in order.
        seed: Of the sampler.
        trials: How many points; the sampler ``grid`` does not need it.
        batch: How many points are suggested, and trained, at a time.
        max_diverged: The largest share of a point's trials that may diverge without barring it from the front.
        confirm: With how many fresh seeds the points of the front, and the references, are trained at the end.
    """

    optimizer: Text
    space: Annotated[
        dict[Text, Annotated[Range | tuple[Any, ...], BeforeValidator(_axis)]], Field(min_length=1)
    ]
    objectives: Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(_objectives)] = (
        "val_error",
        "sensitivity",
    )
    sampler: Literal["tpe", "gp", "nsga2", "random", "grid"] = "tpe"
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 0
    trials: Natural = 32
    batch: Natural = 8
    max_diverged: Annotated[Number, Field(ge=0, le=1)] | None = None
    confirm: Annotated[int, Field(strict=True, ge=2, le=1000)] | None = None

    def choices(self, name: str) -> tuple[Scalar, ...]:
        """Return all values that the sampler ``grid`` takes for a hyperparameter."""
        axis = self.space[name]
        return axis.values() if isinstance(axis, Range) else axis

    @property
    def wanted(self) -> int:
        """How many points are to be scored."""
        if self.sampler != "grid":
            return self.trials
        return math.prod(len(self.choices(name)) for name in self.space)


def for_metric(search: SearchSpec, metric: TaskMetric) -> SearchSpec:
    """Return ``search`` of a task that is judged by ``metric``; without objectives it has those of the metric.

    Raises:
        ValueError: If it asks for the validation error of a task that is judged by another metric, or the other way
            round.
    """
    known, wanted = {"val_error", "val_metric"}, value_column("val", {"": metric})
    if "objectives" not in search.model_fields_set:
        names = [wanted if name in known else name for name in search.objectives]
        return search.model_copy(update={"objectives": tuple(names)})
    for name in search.objectives:
        if name in known - {wanted}:
            raise ValueError(
                f"search.objectives: must be {wanted} where the task is judged by {metric}, but got {name!r}"
            )
    return search


def at_values(entry: OptimizerEntry, values: Mapping[str, Scalar | tuple[Scalar, ...]]) -> OptimizerEntry:
    """Return ``entry`` with other hyperparameters; those given as a tuple appear in its labels."""
    return OptimizerEntry(**{**dict(entry), **(entry.model_extra or {}), **values})


def search_problems(
    search: SearchSpec | None, optimizers: Mapping[str, OptimizerEntry], checks: EntryChecks
) -> Iterator[Problem]:
    """Yield what is wrong with a search, given the study's optimizers and the checks of their entries."""
    if search is None:
        return
    grid = checks.grid
    if search.optimizer not in optimizers:
        rule = one_of(search.optimizer, optimizers)
        yield Problem(("search", "optimizer"), search.optimizer, f"{rule}, the study's optimizers")
        return
    yield from _space_problems(search, optimizers[search.optimizer], checks)
    others = {entry.named(key) for key, entry in optimizers.items() if key != search.optimizer}
    if not others & set(REFERENCES):
        rule = f"must hold {' or '.join(REFERENCES)} beside it, whose best error sets the scale of the scores"
        yield Problem(("optimizers",), list(optimizers), rule)
    if 1.0 not in grid.grad_scale:
        rule = "must hold 1, where points are scored"
        yield Problem(("grid", "grad_scale"), list(grid.grad_scale), rule)
    elif "transfer_regret" in search.objectives and len(grid.grad_scale) == 1:
        rule = "needs gradient scales beside 1 in grid.grad_scale"
        yield Problem(("search", "objectives"), "transfer_regret", rule)


def _space_problems(search: SearchSpec, entry: OptimizerEntry, checks: EntryChecks) -> Iterator[Problem]:
    taken = checks.own.signature(entry.named(search.optimizer))
    if taken is None:  # a user's own that is not found yet
        return
    allowed = taken.defaults
    ends: dict[str, tuple[Scalar, ...]] = {}
    for name, axis in search.space.items():
        location = ("search", "space", name)
        if name in ("lr", "weight_decay"):
            yield Problem(location, name, "is an axis of the surface that every point is scored on (grid)")
        elif name not in allowed:
            yield unknown_key(location, name, allowed)
        elif isinstance(axis, Range):
            ends[name] = (axis.low, axis.high)
            if isinstance(allowed[name], str | bool) or name == "mixing_steps":
                yield Problem(location, axis.model_dump(), "must be a list of values")
            elif (search.sampler == "grid") != (axis.points is not None):
                given = axis.points is not None
                rule = "is there for the sampler grid only" if given else "is required by the sampler grid"
                yield Problem((*location, "points"), axis.points if given else NOTHING, rule)
        else:
            ends[name] = axis
    if set(ends) != set(search.space):
        return
    for problem in checks.problems(search.optimizer, at_values(entry, ends)):
        if problem.location and problem.location[0] in search.space:
            yield problem._replace(location=("search", "space", problem.location[0]))
