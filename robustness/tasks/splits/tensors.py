"""A split whose examples are all in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from robustness.tasks.splits.examples import Batch, Examples, cast

# The most bytes of inputs that are copied at a time, for several batches.
MOST_GATHERED = 2**20


@dataclass(frozen=True)
class Split(Examples):
    """Examples of one split, as tensors.

    Attributes:
        inputs: Shape ``[N, ...]``; numpy arrays are taken as tensors.
        targets: Shape ``[N, ...]``; class numbers for classification.
        origin: Makes the split again in another process, to which only this function is sent.

    Raises:
        TypeError: If inputs or targets are neither tensors nor numpy arrays.
        ValueError: If there are not as many of the one as of the other, or none.
    """

    inputs: Tensor
    targets: Tensor
    origin: Callable[[], Split] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("inputs", "targets"):
            object.__setattr__(self, name, _tensor(name, getattr(self, name)))
        if len(self.inputs) != len(self.targets) or not len(self.inputs):
            raise ValueError(
                "a split needs as many inputs as targets and at least one, "
                f"but got {len(self.inputs)} inputs and {len(self.targets)} targets"
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Split, (self.inputs, self.targets)) if self.origin is None else (self.origin, ())

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.inputs.device

    @property
    def in_memory(self) -> bool:
        """True."""
        return True

    @property
    def mapped_bytes(self) -> int:
        """The bytes of its tensors if other processes make the split again from the same file, else 0."""
        return 0 if self.origin is None else self.inputs.nbytes + self.targets.nbytes

    @property
    def example_size(self) -> tuple[int, int]:
        """The numbers in the inputs and in the targets of one example."""
        return self.inputs[0].numel(), self.targets[0].numel()

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Split:
        """Return the split on ``device``, its floating-point tensors as ``dtype``."""
        inputs, targets = cast(self.inputs, device, dtype), cast(self.targets, device, dtype)
        same = inputs is self.inputs and targets is self.targets
        return self if same else Split(inputs, targets)

    def first(self, count: int) -> Split:
        """Return a split of copies of the first examples."""
        return Split(self.inputs[:count].clone(), self.targets[:count].clone())

    def whole(self) -> Batch:
        """Return inputs and targets."""
        return self.inputs, self.targets

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield all examples in order, ``size`` at a time."""
        for start in range(0, len(self), size):
            yield self.inputs[start : start + size], self.targets[start : start + size]

    def chosen(self, indices: Tensor, draws: int) -> Iterator[Batch]:
        """Yield the batches that ``indices`` ``[steps, batch]`` choose; nothing is drawn."""
        steps = max(1, MOST_GATHERED // max(1, indices.shape[1] * self.inputs[0].nbytes))
        for several in indices.to(self.device).split(steps):  # small batches many at a time, in one operation
            shape = several.shape
            inputs, targets = (part[several.flatten()] for part in (self.inputs, self.targets))
            yield from zip(inputs.unflatten(0, shape), targets.unflatten(0, shape), strict=True)

    def all_targets(self) -> Tensor:
        """Return the targets."""
        return self.targets

    def flat_targets(self) -> Tensor:
        """Return the numbers of all targets."""
        return self.targets.flatten()


def _tensor(name: str, value: Any) -> Tensor:
    """Return ``value`` as a tensor of examples, if it is one or a numpy array of numbers."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "buif":
        value = torch.from_numpy(np.array(value))
    if not isinstance(value, Tensor):
        kind = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
        raise TypeError(
            f"a split's {name} must be a tensor [N, ...] or a numpy array of numbers, but got {kind}"
        )
    if value.dim() == 0:
        raise ValueError(f"a split's {name} must have the shape [N, ...], but got a single number")
    return value
