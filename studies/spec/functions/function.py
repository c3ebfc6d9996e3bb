"""The keys of a study whose ``task`` is a training function of the user's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, TypeAdapter, model_validator

from robustness.tasks import ERROR, LOSS, Metric
from robustness.tasks.training_function import function_rule
from robustness.training.settings import Training
from studies.spec.problems import NOTHING, Problem, blame, raise_all
from studies.spec.values import Natural, Number, Option, Scalar, Strict, Text

EXAMPLE = "{name: error, nothing: 0.9}"
OWN_WORK = "does not belong to a training function, which does that itself"


class FunctionSpec(Strict):
    """What trains: ``package.module:function``; further keys are its options.

    Attributes:
        train: Its name.
        version: Part of every trial's identity; raise it when anything about the function changes.
        examples: Of the training split; needed where something is a share of a trial's steps, and no part of its
            identity.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, Option]]

    train: Text
    version: Text = "1"
    examples: Natural | None = None

    @property
    def name(self) -> str:
        """As rows and messages have it."""
        return self.train

    @property
    def options(self) -> dict[str, Scalar | tuple[Scalar, ...]]:
        """What the function is called with, beside its run."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _check(self) -> FunctionSpec:
        given = self.options
        if "name" in given:
            raise_all([Problem(("name",), given["name"], "must not be given beside train")])
        if rule := function_rule(self.train):
            raise_all([Problem(("train",), self.train, rule)])
        return self


class MetricKeys(Strict):
    """By what the reports of a training function are judged.

    Attributes:
        name: ``error`` (one minus the reported accuracy), ``loss`` (the reported one), or what the reported
            ``metric`` is.
        direction: Whether ``min`` or ``max`` is better, of a reported metric.
        unit: As ``robustness.tasks.Metric`` has it.
        nothing: The value of knowing nothing.
    """

    name: Text
    direction: Literal["min", "max"] | None = None
    unit: Text | None = None
    nothing: Number

    @model_validator(mode="after")
    def _check(self) -> MetricKeys:
        known = self.name in (ERROR.name, LOSS.name)
        if known and self.direction is not None:
            raise_all(
                [Problem(("direction",), self.direction, f"must not be given for {self.name}: it is min")]
            )
        if not known and self.direction is None:
            raise_all([Problem(("direction",), NOTHING, "is required: must be min or max")])
        if self.name == ERROR.name and self.unit is not None:
            raise_all([Problem(("unit",), self.unit, f"must not be given for {self.name}: it is %")])
        if self.name == ERROR.name and not 0 < self.nothing <= 1:
            raise_all([Problem(("nothing",), self.nothing, "must be a fraction in (0, 1]")])
        try:
            self.metric()
        except ValueError as error:
            raise_all([blame(str(error).removeprefix("a metric's "), self.model_dump())])
        return self

    def metric(self) -> Metric:
        """Return the metric."""
        if self.name == ERROR.name:
            return Metric(self.name, unit=ERROR.unit, source="accuracy", nothing=self.nothing)
        source: Literal["loss", "reported"] = "loss" if self.name == LOSS.name else "reported"
        return Metric(
            self.name, self.direction or "min", self.unit or "", source=source, nothing=self.nothing
        )


_TEXT: TypeAdapter[str] = TypeAdapter(Text)


def read_metric(value: object) -> str | MetricKeys | None:
    """Return the value of a study's ``metric``: a name, or what a training function reports."""
    if value is None or isinstance(value, MetricKeys):
        return value
    return MetricKeys.model_validate(value) if isinstance(value, Mapping) else _TEXT.validate_python(value)


def function_problems(
    function: bool, metric: str | MetricKeys | None, training: Training, asked: Mapping[str, object]
) -> Iterator[Problem]:
    """Yield what a study says that does not go with what trains.

    Args:
        function: Whether that is a training function.
        metric: The study's.
        training: The study's.
        asked: What else the study asks for that a training function does not do, by key.
    """
    if not function:
        if isinstance(metric, MetricKeys):
            rule = "must be error, loss or the name of the task's own metric; a mapping is for a training function"
            yield Problem(("metric",), metric.model_dump(exclude_none=True), rule)
        return
    if not isinstance(metric, MetricKeys):
        rule = (
            f"must be a mapping such as {EXAMPLE} for a training function, with the value of knowing nothing"
        )
        yield Problem(("metric",), NOTHING if metric is None else metric, rule)
    for field in fields(Training):
        value = getattr(training, field.name)
        if field.name != "decay" and value != field.default:
            yield Problem(("training", field.name), value, f"{OWN_WORK}; allowed: decay")
    for key, value in asked.items():
        yield Problem((key,), value, OWN_WORK)
