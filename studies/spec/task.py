"""The task that a study names: a registered one, or a user's own function in a module beside the study file.

The function either makes a task (``name``), or trains by itself (``train``): ``studies.spec.functions``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict

from robustness.tasks import ERROR, LOSS, BaseTask, Task, TrainingFunction, load, load_function
from robustness.tasks.metric import NATS
from robustness.tasks.task import counts_classes
from robustness.training.evaluation.constant import with_nothing
from robustness.training.settings import Training
from robustness.training.steps import check_loss
from robustness.user_code.names import importable
from robustness.user_code.source import check_origin
from studies.spec.errors import SpecError
from studies.spec.functions.function import FunctionSpec, MetricKeys
from studies.spec.problems import did_you_mean, one_line
from studies.spec.values import Option, Scalar, Strict, Text


class TaskSpec(Strict):
    """What is trained: a registered task or ``package.module:function``; further keys are its options.

    Attributes:
        name: As rows and messages have it.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, Option]]

    name: Text

    @property
    def options(self) -> dict[str, Scalar | tuple[Scalar, ...]]:
        """What the task's function is called with."""
        return dict(self.model_extra or {})


_Made = TypeVar("_Made", Task, TrainingFunction)


def read_task(value: object) -> TaskSpec | FunctionSpec:
    """Return the value of a study's ``task``; a name alone is a task without options."""
    if isinstance(value, TaskSpec | FunctionSpec):
        return value
    if isinstance(value, Mapping) and "train" in value:
        return FunctionSpec.model_validate(value)
    return TaskSpec.model_validate({"name": value} if isinstance(value, str) else value)


def make_task(
    spec: TaskSpec | FunctionSpec,
    training: Training,
    folder: Path | None,
    source: str,
    metric: str | MetricKeys | None = None,
) -> BaseTask:
    """Make the task, with what its metric gives for knowing nothing where that can be computed.

    Args:
        spec: Its name and options.
        training: How it is trained; its loss must allow that.
        folder: Where a user's own module is imported from, before any other place.
        source: What messages begin with.
        metric: What it is judged by; None: what it says itself. Of a training function, what it reports.

    Raises:
        SpecError: If it cannot be made, or has no such metric.
    """
    if isinstance(spec, FunctionSpec):
        assert isinstance(metric, MetricKeys)  # or the study is refused
        function, judged = spec, metric.metric()
        return _made(
            spec.name,
            folder,
            source,
            lambda: load_function(
                function.train, judged, function.options, function.version, function.examples
            ),
        )

    def made() -> Task:
        task = load(spec.name, **spec.options)
        check_loss(task, training)
        return task

    task = _made(spec.name, folder, source, made)
    task = task if metric is None else _judged_by(task, str(metric), source)
    with suppress(ValueError):  # the preflight says why, once it knows that the task fits together
        return with_nothing(task)
    return task


def _made(name: str, folder: Path | None, source: str, make: Callable[[], _Made]) -> _Made:
    """Make what is named ``name``; whatever is wrong with it is one line."""
    try:
        with importable(folder):
            made = make()
            check_origin(name, folder)
            return made
    except Exception as error:  # a user's own function may raise anything
        kind = "" if isinstance(error, ValueError) else f"{name!r}: {type(error).__name__}: "
        reason = str(error).removeprefix("task ")
        raise SpecError(one_line(f"{source}: task: {kind}{reason}")) from error


def _judged_by(task: Task, metric: str, source: str) -> Task:
    """Return ``task`` with the metric of that name.

    Raises:
        SpecError: If it has none.
    """
    own = task.metric
    allowed = {LOSS.name: NATS if counts_classes(task.loss) else LOSS}
    if task.correct is not None:
        allowed = {ERROR.name: ERROR, **allowed}
    if metric == own.name or metric in allowed:
        return replace(task, metric=own if metric == own.name else allowed[metric])
    names = [*allowed, *([own.name] if own.name not in allowed else [])]
    *most, last = [name if name in allowed else repr(name) for name in names]
    rule = f"must be {', '.join(most)} or {last}" if most else f"must be {last}"
    if metric == ERROR.name:
        rule = f"{task.name} has no accuracy (correct=None), so it {rule}"
    raise SpecError(one_line(f"{source}: metric: {rule}, but got {metric!r}{did_you_mean(metric, names)}"))
