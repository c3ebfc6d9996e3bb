"""Graphs that are one C++ function each, called one by one or many in a row without Python in between."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._C._dynamo import guards

from robustness.training.graphs.loading import KernelError

_empty: Any = guards._empty_strided_cpu  # type: ignore[attr-defined]
_part: Any = guards._reinterpret_tensor  # type: ignore[attr-defined]


def products_of_torch() -> list[ctypes.c_void_p]:
    """Return where the matrix products of the BLAS that torch uses begin: in single precision, and in double.

    Raises:
        AttributeError: If torch was built without one, or shows none.
    """
    torchs = ctypes.CDLL(torch._C.__file__)
    return [ctypes.cast(getattr(torchs, name), ctypes.c_void_p) for name in ("sgemm_", "dgemm_")]


class NativeGraph:
    """A function of tensors of the shapes and strides that it was compiled for.

    Args:
        library: What ``building.build`` has made.
        symbol: The function's name there.
        layout: A ``native.Layout`` as a mapping.

    Attributes:
        memory: The bytes that it works in.
        returned: As in ``native.Layout``.
        plain: Whether each tensor that it returns is all of a contiguous memory of its own.

    Raises:
        OSError: If the library cannot be loaded.
        AttributeError: If it lacks the function, or torch shows no BLAS.
    """

    def __init__(self, library: Path, symbol: str, layout: Mapping[str, Any]) -> None:
        loaded = ctypes.CDLL(str(library))
        loaded.multiply_by(*products_of_torch())
        self.address = ctypes.cast(getattr(loaded, symbol), ctypes.c_void_p).value
        self.in_order = loaded.in_order
        self.in_order.restype = ctypes.c_char_p
        self.memory: int = layout["memory"]
        self._shapes, self._strides = (
            tuple(tuple(one) for one in layout[name]) for name in ("shapes", "strides")
        )
        self._outputs = [((length,), (1,), getattr(torch, dtype)) for length, dtype in layout["outputs"]]
        self.returned = layout["returned"]
        self._pointers = ctypes.c_void_p * (len(self._shapes) + len(self._outputs))
        self.plain = len(self.returned) == len(self._outputs) and all(
            offset == 0 and math.prod(shape) == self._outputs[number][0][0] and _contiguous(shape, stride)
            for number, shape, stride, offset in self.returned
        )

    def __call__(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Compute at once."""
        call = self.call(*tensors)
        run([call])
        return call.results()

    def call(self, *tensors: Tensor, outputs: Sequence[Tensor] = ()) -> Call:
        """Return a call that ``run`` is to make.

        Args:
            tensors: The arguments.
            outputs: Contiguous tensors for what a ``plain`` graph returns; without them new ones are made.

        Raises:
            AssertionError: If shapes or strides are not those of the graph.
        """
        guards.assert_size_stride_grouped(tensors, self._shapes, self._strides, "input")
        made = tuple(outputs) or tuple(_empty(*one) for one in self._outputs)
        pointers = self._pointers(*[tensor.data_ptr() for tensor in (*tensors, *made)])
        return Call(self, tensors, made, pointers)


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a graph; holds on to all tensors that it reads or writes.

    Attributes:
        graph: What is called.
        arguments: Its arguments.
        made: What it writes its results into.
        pointers: To all of these.
    """

    graph: NativeGraph
    arguments: tuple[Tensor, ...]
    made: tuple[Tensor, ...]
    pointers: ctypes.Array[ctypes.c_void_p]

    def results(self) -> tuple[Tensor, ...]:
        """Return what the graph returned."""
        return tuple(_part(self.made[number], *where) for number, *where in self.graph.returned)


def run(calls: Sequence[Call]) -> None:
    """Make ``calls`` one after the other; each may use what those before it wrote.

    Raises:
        KernelError: If one of them refuses its input; those after it are not made.
    """
    graphs = (ctypes.c_void_p * len(calls))(*[call.graph.address for call in calls])
    pointers = (ctypes.c_void_p * len(calls))(*[ctypes.addressof(call.pointers) for call in calls])
    memory = _empty((max(call.graph.memory for call in calls),), (1,), torch.uint8)
    given = ctypes.c_long(len(calls)), graphs, pointers, ctypes.c_void_p(memory.data_ptr())
    problem = calls[0].graph.in_order(*given)
    if problem is not None:
        raise KernelError(problem.decode(errors="replace").partition("\n")[0])


def _contiguous(shape: Sequence[int], stride: Sequence[int]) -> bool:
    return torch.empty_strided(shape, stride, device="meta").is_contiguous()
