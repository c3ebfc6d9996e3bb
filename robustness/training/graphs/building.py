"""Kernels as a shared library: one run of the C++ compiler for all kernels of several graphs."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from robustness.training.graphs.lowering import Lowered, NotLoweredError

_INCLUDE = re.compile(r"^#include .*$", re.MULTILINE)
_ENTRY = """
extern "C" const char* {name}({declared}) {{
    try {{ {name}_kernel({passed}); }} catch (const std::exception& error) {{
        static thread_local std::string message;
        message = error.what();
        return message.c_str();
    }}
    return nullptr;
}}
"""


def build(graphs: Sequence[Lowered], folder: Path) -> tuple[Path, list[dict[str, str]]]:
    """Compile the kernels of ``graphs`` into one library in ``folder``.

    Returns:
        The library, and for each graph the symbols of the functions that it calls, by their names.

    Raises:
        NotLoweredError: If the C++ compiler fails.
    """
    source, symbols = _source(graphs)
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    cpp, library = folder / f"{digest}.cpp", folder / f"{digest}.so"
    cpp.write_text(source)
    done = subprocess.run(_command(cpp, library), capture_output=True, text=True, check=False, shell=True)
    if done.returncode:
        raise NotLoweredError(f"the C++ compiler failed: {done.stderr.strip().partition(chr(10))[0]}")
    return library, symbols


def _source(graphs: Sequence[Lowered]) -> tuple[str, list[dict[str, str]]]:
    """Return the kernels as one C++ text; kernels with the same text stand in it once."""
    parts: dict[str, str] = {}
    includes: dict[str, None] = {}
    symbols = []
    for graph in graphs:
        own = {}
        for kernel in graph.kernels:
            includes |= dict.fromkeys(_INCLUDE.findall(kernel.source))
            name = "k" + hashlib.sha256(kernel.source.encode()).hexdigest()[:16]
            own[kernel.name] = name
            text = _INCLUDE.sub("", kernel.source).replace(" kernel(", f" {name}_kernel(", 1)
            numbered = [(pointer, f"a{number}") for number, pointer in enumerate(kernel.pointers)]
            declared = ", ".join(f"{pointer} {argument}" for pointer, argument in numbered)
            passed = ", ".join(argument for _, argument in numbered)
            parts[name] = text + _ENTRY.format(name=name, declared=declared, passed=passed)
        symbols.append(own)
    return "\n".join([*includes, "#include <string>", *parts.values()]), symbols


def _command(source: Path, library: Path) -> str:
    """Return the command by which torch's compiler compiles a kernel on this machine."""
    from torch._inductor.config import patch as configured
    from torch._inductor.cpp_builder import CppBuilder, CppTorchOptions
    from torch._inductor.cpu_vec_isa import pick_vec_isa

    with configured({"cpp.vec_isa_ok": True, "cpp_cache_precompile_headers": False}):
        options = CppTorchOptions(vec_isa=pick_vec_isa(), include_pytorch=False, shared=True)
        builder = CppBuilder(library.stem, str(source), BuildOption=options, output_dir=str(library.parent))
        return builder.get_command_line()
