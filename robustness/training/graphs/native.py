"""A graph as one C++ function: its kernels and matrix products in order, in memory that is laid out in advance.

What torch's compiler writes is a Python function that allocates, calls kernels and multiplies matrices. For the small
networks of a pack, Python then takes as long as some of the kernels. Where such a function does nothing else, it is
translated: products go to the BLAS that torch uses, and intermediate tensors share one block of memory, small enough
to stay in a core's cache.
"""

from __future__ import annotations

import ast
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from robustness.training.graphs.calls import products_of_torch
from robustness.training.graphs.lowering import Kernel, Lowered, named

ALIGNED = 64
"""Bytes to whose multiples intermediate tensors are aligned: a cache line."""


class NotNativeError(ValueError):
    """A graph does more than call kernels and multiply matrices."""


@dataclass(frozen=True)
class View:
    """Where a tensor lies.

    Attributes:
        storage: The number of its storage; arguments come first.
        shape: Its shape.
        stride: Its strides, in elements.
        offset: Where it begins in the storage, in elements.
        dtype: Its type.
    """

    storage: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype


@dataclass(frozen=True)
class Layout:
    """The shapes of what a native graph takes and gives, as values of JSON.

    Attributes:
        memory: The bytes that it works in.
        shapes: Of its arguments.
        strides: Of its arguments.
        outputs: Elements and type of each storage that it returns.
        returned: For each returned tensor, the number of its output, its shape, strides and offset.
    """

    memory: int
    shapes: list[list[int]]
    strides: list[list[int]]
    outputs: list[tuple[int, str]]
    returned: list[tuple[int, list[int], list[int], int]]


@dataclass(frozen=True)
class Native:
    """A graph as a C++ function of pointers to its arguments and outputs, and one to its memory.

    Attributes:
        body: The C++ statements; ``t`` are the pointers, ``w`` is the memory.
        kernels: What they call.
        layout: What has to be known to call it.
    """

    body: str
    kernels: tuple[Kernel, ...]
    layout: Layout

    @property
    def symbol(self) -> str:
        """The function's name in its library."""
        return named("g", self.body)


@dataclass(frozen=True)
class _Call:
    kernel: Kernel
    views: list[View]


@dataclass(frozen=True)
class _Product:
    left: View
    right: View
    out: View


@dataclass(frozen=True)
class _Made:
    storage: int


@dataclass(frozen=True)
class _Gone:
    storage: int


_Event: TypeAlias = _Call | _Product | _Made | _Gone


@dataclass
class _Reading:
    """What has been read of a graph."""

    kernels: dict[str, Kernel]
    arguments: Sequence[Tensor]
    names: dict[str, View] = field(default_factory=dict)
    lengths: dict[int, int] = field(default_factory=dict)  # elements of each storage made here
    dtypes: dict[int, torch.dtype] = field(default_factory=dict)
    events: list[_Event] = field(default_factory=list)
    returned: list[View] = field(default_factory=list)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Name(id="args")):
                for number, (name, tensor) in enumerate(zip(names, self.arguments, strict=True)):
                    view = View(number, tuple(tensor.shape), tensor.stride(), 0, tensor.dtype)
                    self.names[ast.unparse(name)] = view
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.names[name] = self.view(value)
            case ast.Delete(targets=targets):
                for target in targets:
                    self.forget(ast.unparse(target))
            case ast.Expr(value=ast.Call() as call):
                self.call(call)
            case ast.Return(value=ast.Tuple(elts=values)):
                self.returned = [self.view(value) for value in values]
            case _:
                raise NotNativeError(ast.unparse(node))

    def view(self, node: ast.expr) -> View:
        match node:
            case ast.Name(id=name) if name in self.names:  # others are constants of the module's
                return self.names[name]
            case ast.Call(func=ast.Name(id="empty_strided_cpu"), args=[shape, stride, dtype]):
                return self.made(ast.literal_eval(shape), ast.literal_eval(stride), ast.unparse(dtype))
            case ast.Call(func=ast.Name(id="reinterpret_tensor"), args=[whole, shape, stride, offset]):
                base = self.view(whole)
                begins = base.offset + ast.literal_eval(offset)
                return View(
                    base.storage, ast.literal_eval(shape), ast.literal_eval(stride), begins, base.dtype
                )
        raise NotNativeError(ast.unparse(node))

    def made(self, shape: tuple[int, ...], stride: tuple[int, ...], dtype: str) -> View:
        if 0 in shape:
            raise NotNativeError(f"nothing, of shape {shape}")
        number = len(self.arguments) + len(self.lengths)
        self.dtypes[number] = getattr(torch, dtype.removeprefix("torch."))
        self.lengths[number] = 1 + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
        self.events.append(_Made(number))
        return View(number, shape, stride, 0, self.dtypes[number])

    def forget(self, name: str) -> None:
        storage = self.names.pop(name).storage
        if storage in self.lengths and all(view.storage != storage for view in self.names.values()):
            self.events.append(_Gone(storage))

    def call(self, call: ast.Call) -> None:
        name = ast.unparse(call.func)
        if name in self.kernels:
            self.events.append(_Call(self.kernels[name], [self.view(one) for one in call.args]))
        elif name in ("extern_kernels.bmm", "extern_kernels.mm"):
            out = next(one.value for one in call.keywords if one.arg == "out")
            self.events.append(_Product(*(self.view(one) for one in (*call.args, out))))
        elif not name.startswith("assert_") and name != "args.clear":
            raise NotNativeError(name)


def translated(graph: Lowered, arguments: Sequence[Tensor]) -> Lowered | Native:
    """Return ``graph`` as one C++ function, or as it is where that cannot be."""
    try:
        products_of_torch()  # without it no library of graphs that are native can be loaded
        return native(graph, arguments)
    except (NotNativeError, AttributeError):
        return graph


def native(graph: Lowered, arguments: Sequence[Tensor]) -> Native:
    """Translate a graph.

    Args:
        graph: What torch's compiler has written.
        arguments: Tensors like those that it takes.

    Raises:
        NotNativeError: If it does more than call kernels and multiply matrices.
    """
    reading = _Reading({kernel.name: kernel for kernel in graph.kernels}, arguments)
    for statement in ast.parse(textwrap.dedent(graph.body)).body:
        reading.statement(statement)
    outputs = list(dict.fromkeys(view.storage for view in reading.returned))
    if any(storage not in reading.lengths for storage in outputs):
        raise NotNativeError("an argument is returned")
    places, memory = _laid_out(reading, set(outputs))
    pointers = [*range(len(arguments)), *outputs]
    places |= {storage: f"t[{number}]" for number, storage in enumerate(pointers)}
    lines = [_line(event, places) for event in reading.events if isinstance(event, _Call | _Product)]
    layout = Layout(
        memory,
        [list(one.shape) for one in arguments],
        [list(one.stride()) for one in arguments],
        [(reading.lengths[one], str(reading.dtypes[one]).removeprefix("torch.")) for one in outputs],
        [
            (outputs.index(view.storage), list(view.shape), list(view.stride), view.offset)
            for view in reading.returned
        ],
    )
    return Native("\n".join(lines), graph.kernels, layout)


def _laid_out(reading: _Reading, outside: set[int]) -> tuple[dict[int, str], int]:
    """Return where each storage that is not ``outside`` lies, and the bytes of all: what is gone makes room."""
    taken: dict[int, range] = {}
    places: dict[int, str] = {}
    size = 0
    for event in reading.events:
        if isinstance(event, _Gone):
            taken.pop(event.storage, None)
        elif isinstance(event, _Made) and event.storage not in outside:
            length = reading.lengths[event.storage] * reading.dtypes[event.storage].itemsize
            needed, begin = math.ceil(length / ALIGNED) * ALIGNED, 0
            for other in sorted(taken.values(), key=lambda one: one.start):
                if begin + needed <= other.start:
                    break
                begin = max(begin, other.stop)
            taken[event.storage] = range(begin, begin + needed)
            places[event.storage] = f"(w + {begin})"
            size = max(size, begin + needed)
    return places, size


def _address(view: View, places: dict[int, str]) -> str:
    return f"(char*){places[view.storage]} + {view.offset * view.dtype.itemsize}"


def _line(event: _Call | _Product, places: dict[int, str]) -> str:
    if isinstance(event, _Call):
        views = zip(event.kernel.pointers, event.views, strict=True)
        given = [f"({pointer})({_address(view, places)})" for pointer, view in views]
        return f"{event.kernel.symbol}_kernel({', '.join(given)});"
    parts = (event.left, event.right, event.out)
    kinds = {torch.float32: "float", torch.float64: "double"}
    kind = kinds.get(event.out.dtype)
    if kind is None or len({view.dtype for view in parts}) > 1 or any(0 in view.shape for view in parts):
        raise NotNativeError(f"a product of {event.left}")
    steps = [_steps(view) for view in parts]
    if steps[-1][-1] != 1:
        raise NotNativeError(f"a product by columns: {event.out}")
    given = [
        f"({kind}*)({_address(view, places)}), {', '.join(map(str, step))}"
        for view, step in zip(parts, steps, strict=True)
    ]
    count, m, k = (1, *event.left.shape)[-3:]
    sizes = f"{m}, {event.right.shape[-1]}, {k}"
    return f"products<{kind}, {sizes}>({count}, {', '.join(given)});"


def _steps(matrices: View) -> tuple[int, int, int]:
    """Return the distance of one matrix, row and column to the next, such that BLAS takes them."""
    each, row, column = (0, *matrices.stride)[-3:]
    rows, columns = matrices.shape[-2:]
    if column == 1 and (row >= columns or rows == 1):
        return each, max(row, columns), 1
    if row == 1 and (column >= rows or columns == 1):
        return each, 1, max(column, rows)
    raise NotNativeError(f"a product of strides {matrices.stride}")
