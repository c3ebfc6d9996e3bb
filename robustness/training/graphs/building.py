"""Kernels as a shared library: one run of the C++ compiler for all kernels of several graphs."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from robustness.training.graphs.lowering import Kernel, Lowered, NotLoweredError
from robustness.training.graphs.native import Native
from robustness.training.graphs.prelude import PRELUDE

_INCLUDE = re.compile(r"^#include .*$", re.MULTILINE)
_ENTRY = """
extern "C" const char* {name}({declared}) {{
    try {{ {body} }} catch (const std::exception& error) {{
        static thread_local std::string message;
        message = error.what();
        return message.c_str();
    }}
    return nullptr;
}}
"""


def build(graphs: Sequence[Lowered | Native], folder: Path) -> Path:
    """Compile ``graphs``, or the kernels of those that are not native, into one library in ``folder``.

    Raises:
        NotLoweredError: If the C++ compiler fails.
    """
    source = _source(graphs)
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    cpp, library = folder / f"{digest}.cpp", folder / f"{digest}.so"
    cpp.write_text(source)
    done = subprocess.run(_command(cpp, library), capture_output=True, text=True, check=False, shell=True)
    if done.returncode:
        raise NotLoweredError(f"the C++ compiler failed: {done.stderr.strip().partition(chr(10))[0]}")
    return library


def _source(graphs: Sequence[Lowered | Native]) -> str:
    """Return the graphs as one C++ text; kernels with the same text stand in it once."""
    kernels = [kernel for graph in graphs for kernel in graph.kernels]
    includes = dict.fromkeys(line for kernel in kernels for line in _INCLUDE.findall(kernel.source))
    texts = {kernel.symbol: _INCLUDE.sub("", kernel.source) for kernel in kernels}
    parts = [text.replace(" kernel(", f" {name}_kernel(", 1) for name, text in texts.items()]
    entries: dict[str, str] = {}
    for graph in graphs:
        if isinstance(graph, Native):
            entries[graph.symbol] = _entry(graph.symbol, "char* const* t, char* w", graph.body)
        else:
            entries |= {kernel.symbol: _kernel_entry(kernel) for kernel in graph.kernels}
    return "\n".join([*includes, "#include <string>", PRELUDE, *parts, *entries.values()])


def _kernel_entry(kernel: Kernel) -> str:
    numbered = [(pointer, f"a{number}") for number, pointer in enumerate(kernel.pointers)]
    declared = ", ".join(f"{pointer} {argument}" for pointer, argument in numbered)
    passed = ", ".join(argument for _, argument in numbered)
    return _entry(kernel.symbol, declared, f"{kernel.symbol}_kernel({passed});")


def _entry(name: str, declared: str, body: str) -> str:
    return _ENTRY.format(name=name, declared=declared, body=body)


def _command(source: Path, library: Path) -> str:
    """Return the command by which torch's compiler compiles a kernel on this machine."""
    from torch._inductor.config import patch as configured
    from torch._inductor.cpp_builder import CppBuilder, CppTorchOptions
    from torch._inductor.cpu_vec_isa import pick_vec_isa

    with configured({"cpp.vec_isa_ok": True, "cpp_cache_precompile_headers": False}):
        options = CppTorchOptions(vec_isa=pick_vec_isa(), include_pytorch=False, shared=True)
        builder = CppBuilder(library.stem, str(source), BuildOption=options, output_dir=str(library.parent))
        return builder.get_command_line()
