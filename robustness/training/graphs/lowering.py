"""From a function on tensors to a sequence of calls and the C++ kernels that it calls; nothing is compiled here.

torch's own compiler (inductor) fuses the operations and writes the kernels. What is left out is its way of compiling
each kernel by itself, which takes most of its time (a second a kernel, and headers compiled beforehand): all kernels
of a pack's graphs go through one run of the C++ compiler instead (``building``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

_KERNEL = re.compile(
    r"^(\w+) = async_compile\.cpp_pybinding\(\[(.*?)\], r'''\n(.*?)'''\)$", re.DOTALL | re.MULTILINE
)
_CALL = re.compile(r"^    def call\(self, args\):\n(.*?)^runner = ", re.DOTALL | re.MULTILINE)


def named(kind: str, text: str) -> str:
    """Return a name for a C++ function that its text decides."""
    return kind + hashlib.sha256(text.encode()).hexdigest()[:16]


class NotLoweredError(ValueError):
    """A function cannot be turned into kernels on this machine; the message says why."""


@dataclass(frozen=True)
class Kernel:
    """One fused loop.

    Attributes:
        name: By which ``Lowered.body`` calls it, with tensors.
        pointers: The C++ types of its arguments.
        source: A C++ function named ``kernel``.
    """

    name: str
    pointers: tuple[str, ...]
    source: str

    @property
    def symbol(self) -> str:
        """Its name in a library of kernels: the same text has the same, in every process."""
        return named("k", self.source)


@dataclass(frozen=True)
class Lowered:
    """A function as calls of kernels.

    Attributes:
        body: The Python statements that allocate, call and return; they take the list ``args``.
        kernels: What they call.
    """

    body: str
    kernels: tuple[Kernel, ...]


def lowered(function: Callable[..., Any], arguments: Sequence[Tensor]) -> Lowered:
    """Turn ``function`` into calls of kernels for tensors like ``arguments``; they are only looked at.

    Args:
        function: Takes tensors and returns a tuple of tensors. It may write into its arguments.
        arguments: On the CPU.

    Raises:
        NotLoweredError: If it cannot be traced, or needs something that the kernels cannot give.
    """
    from torch._inductor.async_compile import AsyncCompile
    from torch._inductor.compile_fx import compile_fx_inner
    from torch._inductor.config import patch as configured
    from torch._inductor.decomposition import select_decomp_table
    from torch.fx.experimental.proxy_tensor import make_fx

    options = {"fx_graph_cache": False, "cpp.vec_isa_ok": True, "cpp.threads": 1, "compile_threads": 1}
    with configured(options), patch.object(AsyncCompile, "cpp_pybinding", lambda *_: None):
        try:
            functional = torch.func.functionalize(function, remove="mutations")
            traced = make_fx(functional, select_decomp_table(), tracing_mode="fake")(*arguments)
            text: str = compile_fx_inner(traced, list(arguments)).source_code  # type: ignore[attr-defined]
        except Exception as error:  # a model may use anything, and torch raises as many kinds of errors
            raise NotLoweredError(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}") from error
    return _parsed(text)


def _parsed(text: str) -> Lowered:
    kernels = tuple(
        Kernel(name, tuple(re.findall(r"'(.*?)'", types)), source)
        for name, types, source in _KERNEL.findall(text)
    )
    call = _CALL.search(text)
    if call is None or "async_compile" in _KERNEL.sub("", text).split("class Runner", 1)[-1]:
        raise NotLoweredError("torch wrote its kernels in another form than is known here")
    if odd := [pointer for kernel in kernels for pointer in kernel.pointers if not pointer.endswith("*")]:
        raise NotLoweredError(f"a kernel takes a {odd[0]}, not tensors alone")
    return Lowered(call[1], kernels)
