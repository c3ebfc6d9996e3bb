"""Training steps of a few models at a time: of all models of a block, or of as many as a compiled graph serves."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import torch
from torch import Tensor

from robustness.training.graphs.calls import NativeGraph, run
from robustness.training.graphs.library import OnTensors

Numbers: TypeAlias = Sequence[Sequence[Tensor]]
"""What changes from step to step: for each slab, what ``Update.function`` takes after the state."""
Given: TypeAlias = tuple[Tensor, Tensor, Sequence[Tensor]]
"""What the models of a slab are given in a step: inputs, targets, and their part of ``Numbers``."""


@dataclass(frozen=True)
class Slab:
    """Models whose steps are computed at once, as views of a block's rows.

    Attributes:
        flat: Parameters ``[K, P]``.
        state: The optimizer's, in the order of its slots.
        held: Buffers and constants by name.
    """

    flat: Tensor
    state: Sequence[Tensor]
    held: dict[str, Tensor]


class Stepper:
    """Takes training steps.

    Args:
        gradients: As ``FlatModels.gradients`` gives it, or a graph of it.
        update: As ``Update.function`` gives it, or a graph of it.
        written: Names of the buffers that a step writes.
        context: In which gradients are computed.
    """

    def __init__(
        self,
        gradients: OnTensors,
        update: OnTensors,
        written: Sequence[str],
        context: AbstractContextManager[Any],
    ) -> None:
        self.gradients, self.update = gradients, update
        self.written, self.context = written, context

    @cached_property
    def _native(self) -> tuple[NativeGraph, NativeGraph] | None:
        """The graphs by which steps are taken without Python in between, if there are such."""
        if isinstance(self.gradients, NativeGraph) and isinstance(self.update, NativeGraph):
            return (self.gradients, self.update) if self.gradients.plain and not self.written else None
        return None

    def take(self, slab: Slab, steps: Sequence[Given]) -> Tensor:
        """Take ``steps`` and return the losses ``[steps, K]`` before each; the slab is written into."""
        if self._native is None:
            return torch.stack([self._step(slab, *given) for given in steps])
        gradients, update = self._native
        gradient, losses = torch.empty_like(slab.flat), slab.flat.new_empty(len(steps), len(slab.flat))
        calls, held = [], tuple(slab.held.values())
        for (inputs, targets, columns), loss in zip(steps, losses.unbind(), strict=True):
            calls.append(gradients.call(slab.flat, inputs, targets, *held, outputs=(gradient, loss)))
            calls.append(update.call(slab.flat, gradient, *slab.state, *columns))
        run(calls)
        return losses

    def _step(self, slab: Slab, inputs: Tensor, targets: Tensor, columns: Sequence[Tensor]) -> Tensor:
        with self.context:
            gradient, losses, *written = self.gradients(slab.flat, inputs, targets, *slab.held.values())
        for name, values in zip(self.written, written, strict=True):
            slab.held[name].copy_(values)
        self.update(slab.flat, gradient, *slab.state, *columns)
        return losses
