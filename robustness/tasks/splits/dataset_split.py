"""A split whose examples are read from a dataset, batch by batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset

from robustness.tasks.splits.examples import Batch, Examples, cast, mapped, tensors_of
from robustness.tasks.splits.reading import Batches, DataError, read

MOST_READ = 100_000
"""Of so many examples, at most, all targets are read before a study begins."""
_AT_ONCE = 256
# So many examples, in all of the dataset, are read to see whether its ``targets`` are what it gives.
_COMPARED = 16
# What a dataset draws while a model is evaluated is the same at every evaluation of every trial.
_EVALUATION = 0


@dataclass(frozen=True, eq=False)
class DatasetSplit(Examples):
    """Examples of one split, read from a map-style dataset.

    What the dataset draws at random, from the default generators of torch, numpy and Python, is seeded by trial,
    epoch and batch, and is the same at every evaluation.

    Attributes:
        dataset: Anything with ``__len__`` and a ``__getitem__`` that gives ``(inputs, target)``.
        collate: Makes ``(inputs, targets)`` of a list of these: inputs, a tensor or a dictionary, tuple or list of
            tensors, which the model is called with, and targets ``[B, ...]``. By default torch's
            ``default_collate``.
        workers: How many processes read it at the same time; 0: the one that trains. Numbers do not depend on it.

    Raises:
        TypeError: If the dataset is not map-style, or ``collate`` no function.
        ValueError: If it is empty, or ``workers`` no whole number from 0.
    """

    dataset: Any
    collate: Callable[[list[Any]], Any] | None = None
    workers: int = 0
    _device: torch.device = field(default=torch.device("cpu"), init=False, repr=False)
    _dtype: torch.dtype = field(default=torch.float32, init=False, repr=False)

    def __post_init__(self) -> None:
        if not hasattr(self.dataset, "__getitem__") or not hasattr(self.dataset, "__len__"):
            raise TypeError(
                "a dataset must be map-style, with __len__ and __getitem__, "
                f"but got a {type(self.dataset).__name__}"
            )
        if not len(self.dataset):
            raise ValueError("a split needs at least one example, but the dataset is empty")
        if self.collate is not None and not callable(self.collate):
            raise TypeError(f"collate must be a function of a list of examples, but got {self.collate!r}")
        if not isinstance(self.workers, int) or isinstance(self.workers, bool) or self.workers < 0:
            raise ValueError(f"workers must be a whole number from 0, but got {self.workers!r}")

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def device(self) -> torch.device:
        """Where its batches are moved to."""
        return self._device

    @property
    def in_memory(self) -> bool:
        """False."""
        return False

    @property
    def mapped_bytes(self) -> int:
        """0: what a dataset holds is not known."""
        return 0

    @cached_property
    def example_size(self) -> tuple[int, int]:
        """The numbers in the inputs and in the targets of the first example."""
        inputs, targets = self.first(1).whole()
        return sum(tensor.numel() for tensor in tensors_of(inputs)), targets.numel()

    def to(self, device: torch.device | str, dtype: torch.dtype) -> DatasetSplit:
        """Return the split with batches on ``device``, their floating-point tensors as ``dtype``."""
        return self._with(_device=torch.device(device), _dtype=dtype)

    def first(self, count: int) -> DatasetSplit:
        """Return a split of the first examples, read by this process."""
        few = DatasetSplit(Subset(self.dataset, range(min(count, len(self)))), self.collate)
        return few.to(self._device, self._dtype)

    def whole(self) -> Batch:
        """Return all examples as one batch."""
        return next(self.batches(len(self)))

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all examples in order, ``size`` at a time, the same at every call."""
        rows = [range(start, min(start + size, len(self))) for start in range(0, len(self), size)]
        return self._read(Batches(self.dataset, self.collate, rows, _EVALUATION))

    def chosen(self, indices: Tensor, draws: int) -> Iterator[Batch]:
        """Yield the batches that ``indices`` ``[steps, batch]`` choose."""
        return self._read(Batches(self.dataset, self.collate, indices.tolist(), draws))

    def all_targets(self) -> Tensor:
        """Return all targets, read once where the dataset does not have them as ``targets``.

        Raises:
            ValueError: If there are too many to be read, one cannot be read, or they differ in shape.
        """
        shapes = {targets.shape[1:] for targets in self._targets}
        if len(shapes) > 1:
            raise DataError("the targets of the dataset differ in shape from batch to batch")
        return torch.cat(self._targets)

    def flat_targets(self) -> Tensor:
        """Return the numbers of all targets, as ``all_targets`` has them, of any lengths.

        Raises:
            ValueError: If there are too many to be read, or one cannot be read.
        """
        return torch.cat([targets.flatten() for targets in self._targets])

    @cached_property
    def _targets(self) -> list[Tensor]:
        """All targets, in pieces of one shape each."""
        held = _held_targets(self.dataset)
        if held is not None and len(held) == len(self) and self._agree(held):
            return [held]
        if len(self) > MOST_READ:
            raise DataError(
                f"the dataset has {len(self)} examples and no targets, and at most {MOST_READ} are read for theirs"
            )
        return [targets.clone() for _, targets in self.to("cpu", self._dtype).batches(_AT_ONCE)]

    def _agree(self, held: Tensor) -> bool:
        """Return whether some examples, the first and the last among them, have the targets that are held."""
        rows = torch.linspace(0, len(self) - 1, min(len(self), _COMPARED)).long().tolist()
        some = DatasetSplit(Subset(self.dataset, rows), self.collate)
        return all(
            torch.equal(held[row : row + 1], targets)
            for row, (_, targets) in zip(rows, some.batches(1), strict=True)
        )

    def _with(self, **values: Any) -> DatasetSplit:
        other = copy.copy(self)  # with what has been read
        for name, value in values.items():
            object.__setattr__(other, name, value)
        return other

    def _read(self, batches: Batches) -> Iterator[Batch]:
        for inputs, targets in read(batches, self.workers):
            yield mapped(self._cast, inputs), self._cast(targets)

    def _cast(self, tensor: Tensor) -> Tensor:
        return cast(tensor, self._device, self._dtype)


def _held_targets(dataset: Any) -> Tensor | None:
    """Return what a dataset has as ``targets``, as torchvision's do, also of a subset; None without."""
    if isinstance(dataset, Subset):
        whole = _held_targets(dataset.dataset)
        return None if whole is None else whole[torch.as_tensor(list(dataset.indices))]
    held = getattr(dataset, "targets", None)
    if held is None or getattr(dataset, "target_transform", None) is not None:
        return None
    try:
        return torch.as_tensor(held)
    except (TypeError, ValueError, RuntimeError):  # names of classes, say
        return None
