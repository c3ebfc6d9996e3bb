"""What is known of any task, whoever trains it: its identity, its metric, and how many steps a trial takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

import torch

from robustness.tasks.metric import Metric


def whole_batches(examples: int, batch_size: int) -> int:
    """Return the steps of an epoch over so many examples: whole batches, at least 1."""
    return max(1, examples // batch_size)


class BaseTask:
    """What a study reads of a task.

    Attributes:
        name: As in a study file; random numbers depend on it and the seed.
        version: Part of every trial's identity.
        options: How it was made; also part of every trial's identity.
        places: Options that say where the data are stored, and are no part of it.
        data: What the data are, in a few words, if the name does not say it.
        code: A digest of a user's own source (``robustness.user_code.source``); no part of a trial's identity.
        metric: What cells are selected by and optimizers judged by.
        chance_accuracy: Accuracy of knowing nothing; None where there are no accuracies.
    """

    name: str
    version: str
    options: Mapping[str, object]
    places: tuple[str, ...]
    data: str | None
    code: str | None
    metric: Metric
    chance_accuracy: float | None

    @property
    def examples(self) -> int | None:
        """The examples of the training split; None where that is not known."""
        raise NotImplementedError

    @property
    def chance_metric(self) -> float | None:
        """The metric's value of knowing nothing; None where it is neither given nor computed yet."""
        if self.metric.nothing is None and self.chance_accuracy is not None:
            return (
                self.metric.derived(math.nan, self.chance_accuracy)
                if self.metric.source == "accuracy"
                else None
            )
        return self.metric.nothing

    @property
    def mapped_bytes(self) -> int:
        """The bytes of data that all processes of a machine share."""
        return 0

    def steps_per_epoch(self, batch_size: int) -> int | None:
        """Return the number of whole batches in the training split, at least 1; None where it is not known."""
        return None if self.examples is None else whole_batches(self.examples, batch_size)

    def steps(self, epochs: int, batch_size: int) -> int | None:
        """Return how many steps an optimizer takes in ``epochs``; None where that is not known."""
        each = self.steps_per_epoch(batch_size)
        return None if each is None else epochs * each

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Self:
        """Return the task with what it holds of data on ``device``, floating-point data as ``dtype``."""
        raise NotImplementedError
