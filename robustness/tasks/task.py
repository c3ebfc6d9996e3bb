"""A task: three splits of data, a model, a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Split:
    """Examples of one split.

    Attributes:
        inputs: Shape ``[N, ...]``.
        targets: Shape ``[N, ...]``; class numbers for classification.
    """

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets) or not len(self.inputs):
            raise ValueError(
                "a split needs as many inputs as targets and at least one, "
                f"but got {len(self.inputs)} inputs and {len(self.targets)} targets"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Split:
        """Return the split on ``device``, its floating-point tensors as ``dtype``."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)

        return Split(move(self.inputs), move(self.targets))


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return, per example, whether the largest of ``outputs`` ``[N, classes]`` is at ``targets`` ``[N]``."""
    return outputs.argmax(-1) == targets


@dataclass(frozen=True)
class Task:
    """What an optimizer is tried on.

    Attributes:
        name: As a study file names it; initialization and batches are drawn from it and the seed.
        train: The split that is trained on.
        val: The split that hyperparameters are selected on.
        test: The split that is reported.
        model: Makes a freshly initialized model from torch's default generator.
        loss: ``(outputs, targets) -> scalar``, the mean over the examples of a batch.
        version: Part of every trial's identity; raise it when anything about the task changes.
        options: How ``load`` was called; part of every trial's identity too.
        correct: ``(outputs, targets) -> [N] bool`` for accuracies, or None where there are none.
        chance_accuracy: What always naming the commonest training class reaches, unless given.
    """

    name: str
    train: Split
    val: Split
    test: Split
    model: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy
    version: str = "1"
    options: Mapping[str, object] = field(default_factory=dict)
    correct: Callable[[Tensor, Tensor], Tensor] | None = correct
    chance_accuracy: float | None = None

    def __post_init__(self) -> None:
        if self.chance_accuracy is None and self.correct is not None:
            counts = torch.unique(self.train.targets, return_counts=True)[1]
            object.__setattr__(self, "chance_accuracy", float(counts.max()) / float(counts.sum()))

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by the names that the columns of a row begin with."""
        return {"train": self.train, "val": self.val, "test": self.test}

    def steps_per_epoch(self, batch_size: int) -> int:
        """Return the number of whole batches in the training split, at least 1."""
        return max(1, len(self.train) // batch_size)

    def steps(self, epochs: int, batch_size: int) -> int:
        """Return how many steps an optimizer takes in ``epochs``."""
        return epochs * self.steps_per_epoch(batch_size)

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> Task:
        """Return the task with its data on ``device``, floating-point data as ``dtype``."""
        train, val, test = (split.to(device, dtype) for split in (self.train, self.val, self.test))
        return replace(self, train=train, val=val, test=test)
