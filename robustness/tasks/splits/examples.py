"""What training and evaluation ask of a split, whatever holds its examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import torch
from torch import Tensor

Batch = tuple[Any, Tensor]
"""Inputs, a tensor or a dictionary, tuple or list of tensors, and targets ``[B, ...]``."""


class Examples(ABC):
    """The examples of a split, in a fixed order."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of examples."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where its batches are."""

    @property
    @abstractmethod
    def in_memory(self) -> bool:
        """Whether all examples are held as tensors, as packs of models need them."""

    @property
    @abstractmethod
    def mapped_bytes(self) -> int:
        """The bytes of it that all processes of a machine share."""

    @property
    @abstractmethod
    def example_size(self) -> tuple[int, int]:
        """The numbers in the inputs and in the targets of its first example."""

    @abstractmethod
    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """Return the split on ``device``, its floating-point tensors as ``dtype``."""

    @abstractmethod
    def first(self, count: int) -> Self:
        """Return a split of copies of the first examples, as many as ``count`` where there are so many."""

    @abstractmethod
    def whole(self) -> Batch:
        """Return all examples as one batch."""

    @abstractmethod
    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all examples in order, ``size`` at a time, the same at every call."""

    @abstractmethod
    def chosen(self, indices: Tensor, draws: int) -> Iterator[Batch]:
        """Yield the batches that ``indices`` ``[steps, batch]`` choose.

        Args:
            indices: Of the examples.
            draws: Seeds what is drawn at random while an example is read.
        """

    @abstractmethod
    def all_targets(self) -> Tensor:
        """Return all targets in order, ``[N, ...]``.

        Raises:
            ValueError: If they cannot be had as one tensor.
        """

    @abstractmethod
    def flat_targets(self) -> Tensor:
        """Return the numbers of all targets in order, those of examples of different lengths too.

        Raises:
            ValueError: If they cannot be had.
        """


def mapped(function: Callable[[Tensor], Tensor], inputs: Any) -> Any:
    """Return ``inputs`` with ``function`` applied to each tensor; what is no tensor stays as it is."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {key: mapped(function, value) for key, value in inputs.items()}
    if isinstance(inputs, tuple) and hasattr(inputs, "_fields"):
        return type(inputs)(*(mapped(function, value) for value in inputs))
    if isinstance(inputs, tuple | list):
        return type(inputs)(mapped(function, value) for value in inputs)
    return inputs


def tensors_of(inputs: Any) -> list[Tensor]:
    """Return the tensors in ``inputs``, in order."""
    if isinstance(inputs, Tensor):
        return [inputs]
    values = (
        inputs.values() if isinstance(inputs, Mapping) else inputs if isinstance(inputs, tuple | list) else ()
    )
    return [tensor for value in values for tensor in tensors_of(value)]


def cast(tensor: Tensor, device: torch.device | str, dtype: torch.dtype) -> Tensor:
    """Return ``tensor`` on ``device``, as ``dtype`` if it is of floating-point numbers."""
    return tensor.to(device, dtype if tensor.is_floating_point() else tensor.dtype)
