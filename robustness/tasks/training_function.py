"""A training function of a user's own in the place of a task: it trains by itself, and reports what it reaches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch

from robustness.tasks.base import BaseTask
from robustness.tasks.metric import Metric
from robustness.user_code.names import is_own, resolve
from robustness.user_code.source import source_code


@dataclass(frozen=True)
class TrainingFunction(BaseTask):
    """What an optimizer is tested on, where the user's own code trains.

    Attributes:
        name: As in a study file, ``package.module:function``.
        function: ``function(run, **options)``, of which ``run`` is a ``robustness.training.functions.run.Run``.
        metric: One that follows from reported losses or accuracies, or that is reported itself, with its value of
            knowing nothing.
        options: Keyword arguments of the function.
        version: What its author raises when anything about it changes.
        examples: Of the training split, if steps are to be known before training.
        chance_accuracy: Of knowing nothing, where the metric is the error.
        code: As ``BaseTask.code``.
        places: None of the options: all decide.
        data: As ``BaseTask.data``.
    """

    name: str
    function: Callable[..., Any]
    metric: Metric
    options: Mapping[str, object] = field(default_factory=dict)
    version: str = "1"
    examples: int | None = None
    chance_accuracy: float | None = None
    code: str | None = None
    places: tuple[str, ...] = ()
    data: str | None = None

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Return the task: its data are the function's own affair."""
        return self


def function_rule(name: str) -> str | None:
    """Return the rule that ``name`` breaks if it cannot name a training function, else None; nothing is imported."""
    return None if is_own(name) else "must be package.module:function, a training function of your own"


def load_function(
    name: str, metric: Metric, options: Mapping[str, object], version: str = "1", examples: int | None = None
) -> TrainingFunction:
    """Find a training function; it is not called.

    Args:
        name: ``package.module:function``.
        metric: What it is judged by; of the error, ``nothing`` gives the accuracy of knowing nothing too.
        options: What the function gets beside its run.
        version: As ``TrainingFunction.version``.
        examples: As ``TrainingFunction.examples``.

    Raises:
        ValueError: If there is no such function, or it takes no such option.
    """
    try:
        function = resolve(name)
    except ValueError as error:
        raise ValueError(f"task {name!r} {error}") from error
    if not callable(function):
        raise ValueError(f"task {name!r} must be a function that trains, but it is {function!r}")
    try:
        inspect.signature(function).bind(None, **options)
    except TypeError as error:
        taken = list(inspect.signature(function).parameters)
        if not taken:
            raise ValueError(f"task {name!r}: must take the run as its first argument") from error
        raise ValueError(
            f"task {name!r}: {error}; its options are: {', '.join(taken[1:]) or 'none'}"
        ) from error
    derived = metric.source == "accuracy" and metric.nothing is not None
    return TrainingFunction(
        name,
        function,
        metric,
        options,
        version,
        examples,
        chance_accuracy=round(1 - metric.nothing, 12) if derived and metric.nothing is not None else None,
        code=source_code(name),
    )
