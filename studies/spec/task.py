"""The task that a study names: a registered one, or a user's own function in a module beside the study file."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict

from robustness.tasks import ERROR, LOSS, Task, load
from robustness.tasks.metric import NATS
from robustness.tasks.task import counts_classes
from robustness.training.evaluation.constant import with_nothing
from robustness.training.settings import Training
from robustness.training.steps import check_loss
from robustness.user_code.names import importable
from robustness.user_code.source import check_origin
from studies.spec.errors import SpecError
from studies.spec.problems import did_you_mean, one_line
from studies.spec.values import Option, Scalar, Strict, Text


class TaskSpec(Strict):
    """What is trained: a registered task or ``package.module:function``; further keys are its options."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, Option]]

    name: Text

    @property
    def options(self) -> dict[str, Scalar | tuple[Scalar, ...]]:
        """What the task's function is called with."""
        return dict(self.model_extra or {})


def read_task(value: object) -> object:
    """Return the value of a study's ``task``; a name alone is a task without options."""
    return {"name": value} if isinstance(value, str) else value


def make_task(
    spec: TaskSpec, training: Training, folder: Path | None, source: str, metric: str | None = None
) -> Task:
    """Make the task, with what its metric gives for knowing nothing where that can be computed.

    Args:
        spec: Its name and options.
        training: How it is trained; its loss must allow that.
        folder: Where a user's own module is imported from, before any other place.
        source: What messages begin with.
        metric: What it is judged by; None: what it says itself.

    Raises:
        SpecError: If it cannot be made, or has no such metric.
    """
    try:
        with importable(folder):
            task = load(spec.name, **spec.options)
            check_origin(spec.name, folder)
            check_loss(task, training)
    except Exception as error:  # a user's own function may raise anything
        kind = "" if isinstance(error, ValueError) else f"{spec.name!r}: {type(error).__name__}: "
        reason = str(error).removeprefix("task ")
        raise SpecError(one_line(f"{source}: task: {kind}{reason}")) from error
    task = task if metric is None else _judged_by(task, metric, source)
    with suppress(ValueError):  # the preflight says why, once it knows that the task fits together
        return with_nothing(task)
    return task


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
