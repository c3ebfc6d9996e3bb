"""Compiled graphs as functions: libraries are loaded by ``ctypes``, and nothing of torch's compiler is imported."""

from __future__ import annotations

import ctypes
import math
import textwrap
from collections.abc import Callable, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch._C._dynamo import guards


class KernelError(RuntimeError):
    """A kernel refused its input, such as a class number that is none; the message is torch's."""


def graph_text(body: str) -> str:
    """Return a graph's body (``lowering.Lowered``) as the text of a module with the function ``call``."""
    return f"def call(args):\n{textwrap.indent(textwrap.dedent(body), '    ')}"


def graph_function(
    path: Path, kernels: Mapping[str, str], library: Path
) -> Callable[..., tuple[Tensor, ...]]:
    """Return a compiled graph as a function of tensors of the shapes and strides that it was compiled for.

    Args:
        path: Of the module, which ``graph_text`` has made.
        kernels: The library's name of each function that the body calls.
        library: What ``building.build`` has made.

    Raises:
        OSError: If the library or the module cannot be loaded.
        SyntaxError: If the module is damaged.
        NameError: When the graph is called and calls something that is not known here.
    """
    loaded = ctypes.CDLL(str(library))
    loader = SourceFileLoader(f"graph_{path.stem}", str(path))
    module = ModuleType(loader.name)
    vars(module).update(_KNOWN, **{name: _kernel(loaded, symbol) for name, symbol in kernels.items()})
    loader.exec_module(module)
    return lambda *tensors: module.call(list(tensors))


def _kernel(library: ctypes.CDLL, symbol: str) -> Callable[..., None]:
    """Return a kernel as a function of tensors."""
    native = getattr(library, symbol)
    native.restype = ctypes.c_char_p
    native.argtypes = ()

    def kernel(*tensors: Tensor) -> None:
        problem = native(*[ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors])
        if problem is not None:
            raise KernelError(problem.decode(errors="replace").partition("\n")[0])

    return kernel


# What torch's compiler writes into the body of a graph. Shapes are checked by it, since kernels take mere pointers.
_KNOWN: dict[str, Any] = {
    "torch": torch,
    "math": math,
    "inf": math.inf,
    "nan": math.nan,
    "device": torch.device,
    "aten": torch.ops.aten,
    "inductor_ops": torch.ops.inductor,
    "empty_strided": torch.empty_strided,
    "extern_kernels": torch,  # its matrix products are torch's own
    "assert_tensor_metadata": lambda *_: None,  # of torch's own operations, whose numbers were compared
    "assert_size_stride": guards.assert_size_stride,
    "assert_size_stride_grouped": guards.assert_size_stride_grouped,
    "assert_alignment": guards.assert_alignment,
    "empty_strided_cpu": guards._empty_strided_cpu,  # type: ignore[attr-defined]
    "reinterpret_tensor": guards._reinterpret_tensor,  # type: ignore[attr-defined]
}
