"""The task that a study names: a registered one, or a user's own function in a module beside the study file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict

from analysis.task_metric import TaskMetric
from robustness.tasks import Task, load
from robustness.training.settings import Training
from robustness.training.steps import check_loss
from robustness.user_code.names import importable
from robustness.user_code.source import other_file
from studies.spec.errors import SpecError
from studies.spec.problems import one_line
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


def judged_by(task: Task) -> TaskMetric:
    """Return what a task is judged by, as analysis knows it."""
    return TaskMetric(task.metric.name, task.metric.unit, task.metric.direction)


def make_task(spec: TaskSpec, training: Training, folder: Path | None, source: str) -> Task:
    """Make the task.

    Args:
        spec: Its name and options.
        training: How it is trained; its loss must allow that.
        folder: Where a user's own module is imported from, before any other place.
        source: What messages begin with.

    Raises:
        SpecError: If it cannot be made.
    """
    try:
        with importable(folder):
            task = load(spec.name, **spec.options)
            if folder is not None and (other := other_file(spec.name, folder)):
                raise ValueError(f"{other}: is not the module that this process imported: start Python again")
            check_loss(task, training)
            return task
    except Exception as error:  # a user's own function may raise anything
        kind = "" if isinstance(error, ValueError) else f"{spec.name!r}: {type(error).__name__}: "
        reason = str(error).removeprefix("task ")
        raise SpecError(one_line(f"{source}: task: {kind}{reason}")) from error
