"""Parameters as flat vectors: a large one in its own memory, small ones concatenated.

The states of concatenated parameters are kept as one vector from step to step; their parameters and gradients are
copied into one at every step. What is neither contiguous nor in a dense channels-last format is not handled here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.dlpack import from_dlpack, to_dlpack

from robustness.optimizers.rule import Scalar, State, mean_dtype

# A processor delays a load behind a recent store if the last 12 bits of their addresses agree, as those of vectors
# and of registers spilled to the stack do now and then. Vectors with the same offset in a page all agree with the
# stack at the same time, so less often in total. With different offsets, a compiled update that has a logarithm and
# an exponential takes 1.5 times as long.
PAGE = 4096
_FORMATS = {4: (torch.channels_last,), 5: (torch.channels_last_3d,)}


class Job(NamedTuple):
    """One parameter in one step.

    Attributes:
        param: The parameter.
        grad: Its gradient, negated if the group maximizes.
        state: Its entry in ``optimizer.state``.
        scalars: What ``step_scalars`` returned; one object for all parameters that share a group and a step.
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
    """One or several parameters as one vector, in memory order, for as long as their memory does not move.

    A single parameter is updated in its own memory. Several are gathered at every step, as are their gradients; their
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
        self._addresses = [param.data_ptr() for param in self.params]
        # Compiled code needs a graph for each kind of view; for tensors that are no views, one graph serves.
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
        """Return whether these parameters and states are still the memory that the vector was made from."""
        if self.compiled != compiled:
            return False
        for job, address, kept in zip(jobs, self._addresses, self._kept, strict=True):
            if job.param.data_ptr() != address:
                return False
            for slot, value in kept.items():
                if job.state[slot] is not value:
                    return False
        return True

    def gathered(self, jobs: Sequence[Job]) -> Piece:
        """Return the parameters and gradients of this step, and the state."""
        if len(jobs) > 1:
            return Piece(torch.cat(self._parts), torch.cat([_line(job.grad) for job in jobs]), self.state)
        grad = jobs[0].grad
        return Piece(self._parts[0], _alias(grad) if self.compiled else _line(grad), self.state)

    def scatter(self, param: Tensor) -> None:
        """Write the parameters back to their own memory, if they were gathered."""
        if len(self._parts) > 1:
            torch._foreach_copy_(self._parts, list(param.split(self.sizes)))

    def total(self) -> Scalar:
        """Return the sum of ``exp_avg_sq``: the one that was kept, unless the tensor has been written to since."""
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
    if job.param.is_contiguous() and job.grad.is_contiguous():
        return torch.contiguous_format
    for dense in _FORMATS.get(job.param.dim(), ()):
        if job.param.is_contiguous(memory_format=dense) and job.grad.is_contiguous(memory_format=dense):
            return dense
    return None


def total(x: Tensor) -> Scalar:
    """Return the sum: a number on a CPU, where reading it is cheap, else a tensor, which need not be waited for."""
    value = x.sum(dtype=mean_dtype(x.dtype))
    return value.item() if x.device.type == "cpu" else value


def _in_memory_order(value: Tensor, job: Job, *, in_phase: bool) -> Tensor:
    """Return ``value`` in the parameter's memory order, and at its offset in a page if ``in_phase``."""
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
    """Return all elements in memory order as a tensor that shares the memory but is not a view.

    It has a storage of its own that begins where the elements do: compiled code asks every tensor that begins
    elsewhere in its storage for the place, in Python and at each call.
    """
    shared: Tensor = from_dlpack(to_dlpack(_line(dense.detach())))
    return shared
