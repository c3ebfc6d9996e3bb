"""A task: three splits of data, a model, a loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustness.tasks.base import BaseTask, whole_batches
from robustness.tasks.images import Augmentation, Standardize
from robustness.tasks.metric import ERROR, LOSS, NATS, Metric
from robustness.tasks.splits.examples import Examples


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return, per example, whether the largest of ``outputs`` ``[N, classes]`` is at ``targets`` ``[N]``."""
    return outputs.argmax(-1) == targets


def cross_entropy(outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy in nats of ``outputs`` ``[..., classes]`` at ``targets`` ``[...]``."""
    return functional.cross_entropy(
        outputs.flatten(0, -2), targets.flatten(), label_smoothing=label_smoothing
    )


def counts_classes(loss: object) -> bool:
    """Return whether ``loss`` is torch's cross-entropy of class numbers, or of their log-probabilities."""
    own = (functional.cross_entropy, functional.nll_loss, cross_entropy)
    return loss in own or isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss)


def counting(loss: object, targets: Tensor) -> Tensor:
    """Return, flat, those of ``targets`` that the mean of ``loss`` is over: all, less those that it ignores."""
    targets = targets.flatten()
    if not counts_classes(loss) or targets.is_floating_point():
        return targets
    return targets[targets != getattr(loss, "ignore_index", -100)]


# What a task without a metric of its own is judged by. Not ERROR itself, so that a task that is made from another by
# ``dataclasses.replace`` with another ``correct`` or ``loss`` finds its own again, unless one was asked for.
_BY_ERROR, _BY_LOSS, _BY_NATS = (replace(metric) for metric in (ERROR, LOSS, NATS))


@dataclass(frozen=True)
class Task(BaseTask):
    """What an optimizer is tested on.

    Attributes:
        name: As in a study file; initialization and batches depend on it and the seed.
        train: The split that is trained on, a ``Split`` of tensors or a ``DatasetSplit``.
        val: The split that hyperparameters are selected on.
        test: The split that is reported.
        model: Makes a freshly initialized model from torch's default generator.
        loss: ``(outputs, targets) -> scalar``, the mean over the examples of a batch. One that takes
            ``label_smoothing`` can be trained with it.
        version: Part of every trial's identity; raise it when anything about the task changes.
        options: The options that ``load`` was given; also part of every trial's identity.
        correct: ``(outputs, targets) -> [N]`` for accuracies, whether (or what share of) an example is right;
            None where there are none.
        chance_accuracy: Accuracy of knowing nothing; by default, of always predicting the most frequent training
            class.
        prepare: Applied to inputs, a batch at a time, before the model gets them.
        augment: Applied to training inputs before that.
        places: Options that say where the data are stored; ``version`` identifies their content, so these options
            are no part of a trial's identity.
        data: What the data are, in a few words, if the name does not say it.
        code: A digest of a user's own source (``robustness.user_code.source``), which ``load`` fills in; no part of a
            trial's identity.
        metric: What cells are selected by and optimizers judged by; by default the error where there is ``correct``,
            else the loss. No part of a trial's identity, since nothing is trained by it.

    Raises:
        TypeError: If ``metric`` is no ``Metric``.
        ValueError: If there is ``augment`` without ``prepare``, or either without tensors; if the metric is the error
            without ``correct``; or if ``chance_accuracy`` is not given and too many targets would have to be read.
    """

    name: str
    train: Examples
    val: Examples
    test: Examples
    model: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy
    version: str = "1"
    options: Mapping[str, object] = field(default_factory=dict)
    correct: Callable[[Tensor, Tensor], Tensor] | None = correct
    chance_accuracy: float | None = None
    prepare: Standardize | None = None
    augment: Augmentation | None = None
    places: tuple[str, ...] = ()
    data: str | None = None
    code: str | None = None
    metric: Metric = None  # type: ignore[assignment]  # filled in below

    def __post_init__(self) -> None:
        if self.augment is not None and self.prepare is None:
            raise ValueError("a task with augment needs prepare, whose mean colour covers what is cut out")
        if self.prepare is not None and not self.in_memory:
            raise ValueError(
                "prepare and augment work on splits of tensors; a dataset prepares its own examples"
            )
        if self.chance_accuracy is None and self.correct is not None:
            object.__setattr__(self, "chance_accuracy", self._usual_chance())
        if any(self.metric is filled for filled in (None, _BY_ERROR, _BY_LOSS, _BY_NATS)):
            object.__setattr__(self, "metric", self._usual_metric())
        if not isinstance(self.metric, Metric):
            raise TypeError(f"metric must be a robustness.tasks.Metric, but got {self.metric!r}")
        if self.metric.source == "accuracy" and self.correct is None:
            raise ValueError(f"the metric {self.metric.name!r} needs correct, but correct=None")

    def _usual_chance(self) -> float:
        try:
            targets = counting(self.loss, self.train.flat_targets())
        except ValueError as error:
            raise ValueError(f"chance_accuracy= must be given: {error}") from error
        counts = torch.unique(targets, return_counts=True)[1]
        return float(counts.max()) / float(counts.sum())

    def _usual_metric(self) -> Metric:
        if self.correct is not None:
            return _BY_ERROR
        return _BY_NATS if counts_classes(self.loss) else _BY_LOSS

    @property
    def examples(self) -> int:
        """The examples of the training split."""
        return len(self.train)

    @property
    def splits(self) -> dict[str, Examples]:
        """The splits by name, with which the columns of a row begin."""
        return {"train": self.train, "val": self.val, "test": self.test}

    @property
    def mapped_bytes(self) -> int:
        """The bytes of data that all processes of a machine share."""
        return sum(split.mapped_bytes for split in self.splits.values())

    @property
    def in_memory(self) -> bool:
        """Whether all data are tensors in memory, as packs of models need them."""
        return all(split.in_memory for split in self.splits.values())

    @property
    def predictions(self) -> int:
        """The number of targets of one example: 1, or as many as a text's window has characters."""
        return self.train.example_size[1]

    def weight(self, targets: Tensor) -> float:
        """Return what the mean loss of a batch weighs in that of its split: its examples, less what is ignored."""
        if not self._may_ignore:
            return len(targets)
        return len(counting(self.loss, targets)) / self.predictions

    @cached_property
    def _may_ignore(self) -> bool:
        """Whether the loss ignores targets, as far as is known: looked up once where all of them are in memory."""
        if not counts_classes(self.loss) or not self.in_memory:
            return counts_classes(self.loss)
        targets = [split.flat_targets() for split in self.splits.values()]
        return any(len(counting(self.loss, flat)) < len(flat) for flat in targets)

    def accuracy(self, right: Any, examples: int, weights: float) -> Any:
        """Return the accuracy where so many are ``right``, numbers or tensors of them.

        Class numbers that the loss ignores are never right, and count neither there nor here.

        Args:
            right: The sum of ``correct`` over the examples.
            examples: Their number.
            weights: The sum of ``weight`` over their batches.
        """
        return right / ((weights or math.nan) if self.correct is correct else examples)

    def prepared(self, inputs: Any) -> Any:
        """Return a batch of a split's ``inputs`` in the form that the model takes."""
        return inputs if self.prepare is None else self.prepare(inputs)

    def changed(self, inputs: Tensor, draws: Tensor) -> Tensor:
        """Return a batch of the training split's ``inputs`` with the changes that ``draws`` decide."""
        if self.augment is None or self.prepare is None:
            return inputs
        return self.augment(inputs, draws, self.prepare.mean)

    def training_loss(self, outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Return the loss that is trained on."""
        if label_smoothing:
            return self.loss(outputs, targets, label_smoothing=label_smoothing)  # type: ignore[call-arg]
        return self.loss(outputs, targets)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of whole batches in the training split, at least 1."""
        return whole_batches(self.examples, batch_size)

    def steps(self, epochs: int, batch_size: int) -> int:
        """Return how many steps an optimizer takes in ``epochs``."""
        return epochs * self.steps_per_epoch(batch_size)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Task:
        """Return the task with its data on ``device``, floating-point data as ``dtype``."""
        train, val, test = (split.to(device, dtype) for split in (self.train, self.val, self.test))
        prepare = self.prepare and self.prepare.to(device, dtype)
        return replace(self, train=train, val=val, test=test, prepare=prepare)
