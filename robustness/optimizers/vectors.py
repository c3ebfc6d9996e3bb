"""Parameters as flat vectors: one where it is, or several small ones gathered, with their states kept that way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from robustness.optimizers.rule import Scalar, State, mean_dtype

# A processor lets a load wait for a recent store if the last 12 bits of their addresses agree, as those of the
# vectors and of registers put on the stack do now and then. Vectors that start at the same place in a page do so
# all at once: seldomer. A compiled update with a logarithm and an exponential takes 1.5 times as long otherwise.
PAGE = 4096
_FORMATS = {4: (torch.channels_last,), 5: (torch.channels_last_3d,)}


class Job(NamedTuple):
    """One parameter in one step.

    Attributes:
        param: The parameter.
        grad: Its gradient, negated if the group maximizes.
        state: Its entry in ``optimizer.state``.
        scalars: What ``step_scalars`` gave; one object for all parameters that share a group and a step.
        group: Its parameter group.
    """

    param: Tensor
    grad: Tensor
    state: dict[str, Any]
    scalars: dict[str, Any]
    group: dict[str, Any]


class Piece(NamedTuple):
    """Tensors of one shape: parameters, their gradient, their state."""

    param: Tensor
    grad: Tensor
    state: State


class Vector:
    """One or several parameters as one vector, in memory order, for as long as they stay where they are.

    One parameter is updated where it is. Several are gathered at every step, as are their gradients; their
    states are moved into one vector for each slot, of which ``optimizer.state`` then holds views.

    Args:
        jobs: The parameters, of one dtype and device; ``memory_format`` of each is not None.
        slots: Names of the state tensors.
        compiled: Whether compiled code is to update them.
    """

    def __init__(self, jobs: Sequence[Job], slots: Sequence[str], *, compiled: bool) -> None:
        self.compiled = compiled
        self.params = [job.param for job in jobs]
        self.sizes = [param.numel() for param in self.params]
        self._places = [param.data_ptr() for param in self.params]
        # Each kind of view would be a graph of its own.
        line = _alias if compiled and len(jobs) == 1 else _line
        for job in jobs:
            for slot in slots:
                job.state[slot] = _in_memory_order(job.state[slot], job, in_phase=line is _alias)
        self._parts = [line(param) for param in self.params]
        states = [job.state for job in jobs]
        if len(jobs) == 1:
            self.state = {slot: line(states[0][slot]) for slot in slots}
        else:
            self.state = {slot: self._merged(states, slot) for slot in slots}
        self._kept = [{slot: state[slot] for slot in slots} for state in states]
        self._known: tuple[list[int], Scalar] | None = None

    def _merged(self, states: Sequence[dict[str, Any]], slot: str) -> Tensor:
        """Return one slot of all parameters as one vector, and make the states views of it."""
        vector = torch.cat([_line(state[slot]) for state in states])
        for state, part in zip(states, vector.split(self.sizes), strict=True):
            state[slot] = part.as_strided(state[slot].size(), state[slot].stride())
        return vector

    def fits(self, jobs: Sequence[Job], *, compiled: bool) -> bool:
        """Return whether these parameters and states still are the memory that the vector stands for."""
        return self.compiled == compiled and all(
            job.param.data_ptr() == place and all(job.state[slot] is value for slot, value in kept.items())
            for job, place, kept in zip(jobs, self._places, self._kept, strict=True)
        )

    def gathered(self, jobs: Sequence[Job]) -> Piece:
        """Return the parameters and gradients of this step, and the state."""
        if len(jobs) > 1:
            return Piece(torch.cat(self._parts), torch.cat([_line(job.grad) for job in jobs]), self.state)
        grad = jobs[0].grad
        return Piece(self._parts[0], _alias(grad) if self.compiled else _line(grad), self.state)

    def scatter(self, param: Tensor) -> None:
        """Write the parameters back to where they came from, if they were gathered."""
        if len(self._parts) > 1:
            torch._foreach_copy_(self._parts, list(param.split(self.sizes)))

    def total(self) -> Scalar:
        """Return the sum of ``exp_avg_sq``: what was kept, unless somebody has written to it since."""
        if self._known is not None and self._known[0] == self._versions():
            return self._known[1]
        return total(self.state["exp_avg_sq"])

    def keep_total(self, value: Scalar | None) -> None:
        """Keep the sum of ``exp_avg_sq`` for the next step; None if it is not known."""
        self._known = None if value is None else (self._versions(), value)

    def _versions(self) -> list[int]:
        return [kept["exp_avg_sq"]._version for kept in self._kept]


def memory_format(job: Job) -> torch.memory_format | None:
    """Return the dense format that a parameter and its gradient share; None if there is none."""
    for found in (torch.contiguous_format, *_FORMATS.get(job.param.dim(), ())):
        if job.param.is_contiguous(memory_format=found) and job.grad.is_contiguous(memory_format=found):
            return found
    return None


def total(x: Tensor) -> Scalar:
    """Return the sum: a number on a CPU, where reading it is cheap, else a tensor, to wait for no device."""
    value = x.sum(dtype=mean_dtype(x.dtype))
    return value.item() if x.device.type == "cpu" else value


def _in_memory_order(value: Tensor, job: Job, *, in_phase: bool) -> Tensor:
    """Return ``value`` with the parameter's order in memory, and at its place in a page if ``in_phase``."""
    param = job.param
    if in_phase and param.device.type == "cpu" and (value.data_ptr() - param.data_ptr()) % PAGE:
        room = value.new_empty(value.numel() + PAGE // value.element_size())
        start = (param.data_ptr() - room.data_ptr()) % PAGE // value.element_size()
        return room.as_strided(param.size(), param.stride(), start).copy_(value)
    if value.stride() == param.stride():
        return value
    return torch.empty_like(param, memory_format=torch.preserve_format).copy_(value)


def _line(dense: Tensor) -> Tensor:
    """Return a view of all elements in memory order."""
    return dense if dense.dim() == 1 else dense.as_strided((dense.numel(),), (1,))


def _alias(dense: Tensor) -> Tensor:
    """Return all elements in memory order as a tensor that is no view."""
    return dense.new_empty(0).set_(dense.untyped_storage(), dense.storage_offset(), (dense.numel(),), (1,))
