"""The settings of a training run: optimizer, hyperparameters, gradient scale, seed, budget and schedule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from robustness.optimizers import hyperparameters
from robustness.training.schedules.schedule import Schedule

DECAYED = ("all", "matrices")
PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class Training:
    """How steps are taken, apart from optimizer and schedule.

    Attributes:
        decay: What weight decay acts on: ``all`` parameters, or only the ``matrices``, which are the weights of
            linear, convolutional, attention and recurrent layers.
        clip_norm: The largest norm of the whole gradient; a larger gradient is multiplied by
            ``clip_norm / (norm + 1e-6)``, after the gradient scale and before weight decay. None clips nothing.
        label_smoothing: The share of the target spread evenly over all classes, in [0, 1); in training alone.
        precision: ``bf16`` computes in bfloat16 what torch's autocast allows; parameters keep their dtype.
        evaluate_every: Epochs between one evaluation and the next; the last epoch is always evaluated.
    """

    decay: str = "all"
    clip_norm: float | None = None
    label_smoothing: float = 0.0
    precision: str = "float32"
    evaluate_every: int = 1

    def __post_init__(self) -> None:
        for name, allowed in (("decay", DECAYED), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}, but got {getattr(self, name)!r}"
                )
        if self.clip_norm is not None and not 0 < self.clip_norm < math.inf:
            raise ValueError(f"clip_norm must be positive and finite, but got {self.clip_norm}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), but got {self.label_smoothing}")
        if self.evaluate_every < 1:
            raise ValueError(f"evaluate_every must be at least 1, but got {self.evaluate_every}")

    def decisive(self) -> dict[str, Any]:
        """Return, by name, the values that decide the result of a trial and differ from their defaults."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        del values["evaluate_every"]
        return {name: value for name, (value, default) in values.items() if value != default}

    def evaluated(self, epoch: int, epochs: int) -> bool:
        """Return whether a trial of ``epochs`` is evaluated after ``epoch``."""
        return epoch % self.evaluate_every == 0 or epoch == epochs


@dataclass(frozen=True)
class TrialSettings:
    """One training run of a task.

    Attributes:
        optimizer: A name in ``robustness.optimizers.OPTIMIZERS``, or ``package.module:Class``.
        hyperparameters: What ``robustness.optimizers.build`` takes: ``lr`` (the schedule's peak),
            ``weight_decay``, and the optimizer's own, of which those that are not given take their defaults.
        grad_scale: ``c``; the loss gradient is multiplied by it before the optimizer sees it.
        seed: Determines, with the task, initialization and batches.
        epochs: Passes over the training split.
        batch_size: Examples per step; an incomplete last batch of an epoch is left out.
        schedule: The learning-rate schedule.
        training: How steps are taken apart from that.
        flatness: Whether to measure flatness at the end, which has no effect on training.
        diagnostics: The epochs after which the spread of second moments is measured; no effect either.
        codes: Which code a user's own objects are made of that it is trained with, by their names.
    """

    optimizer: str
    hyperparameters: Mapping[str, Any]
    grad_scale: float = 1.0
    seed: int = 0
    epochs: int = 20
    batch_size: int = 64
    schedule: Schedule = field(default_factory=Schedule)
    training: Training = field(default_factory=Training)
    flatness: bool = False
    diagnostics: tuple[int, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict)

    def completed(self) -> TrialSettings:
        """Return the settings with the defaults of all hyperparameters that are not given.

        Raises:
            ValueError: If there is no optimizer of that name.
        """
        defaults = hyperparameters(self.optimizer)
        if defaults.keys() <= self.hyperparameters.keys():
            return self
        return replace(self, hyperparameters={**defaults, **self.hyperparameters})
