"""A training function of a user's own in the place of a task: it trains by itself, and reports what it reaches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch

from robustness.tasks.base import BaseTask
from robustness.tasks.metric import Metric
from robustness.user_code.names import is_own


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
