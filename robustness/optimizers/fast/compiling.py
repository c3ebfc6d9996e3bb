"""Compiles functions on tensors where a compiler is available, and runs them uncompiled where none is.

The results are the same either way, to rounding; what is missing or fails is logged once.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

# Each optimizer's rule, and each exponent that is a number, is a graph of its own of the same few functions.
GRAPHS_PER_FUNCTION = 256

# dynamic_threads: without it, the first length that a loop is compiled for decides, for every length, whether it runs
# on several threads, and the decision is cached on disk. compile_threads: processes share the machine's cores.
OPTIONS = {"cpp.dynamic_threads": True, "compile_threads": 1}


@cache
def compiler_found(device: str) -> bool:
    """Return whether ``torch.compile`` can be used; where it cannot, log once what is missing."""
    if device == "cpu":
        available = any(shutil.which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++") if name)
        missing = "no C++ compiler (g++ or clang++) is found"
    else:
        available, missing = importlib.util.find_spec("triton") is not None, "triton is not installed"
    if not available:
        logger.warning("%s, so nothing is compiled: slower, same results", missing)
    return available


def compiled(function: F, *, dynamic: bool) -> F:
    """Return ``function`` compiled, for any sizes if ``dynamic``; if compiling fails, log it and run it as it is."""
    torch._dynamo.config.recompile_limit = GRAPHS_PER_FUNCTION
    torch._dynamo.config.accumulated_recompile_limit = GRAPHS_PER_FUNCTION
    # This module warns of a CUDA toolkit without a GPU, which does not matter for compiling on the CPU.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    fast = torch.compile(function, dynamic=dynamic, options=dict(OPTIONS))
    broken = False

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal broken
        if broken:
            return function(*args, **kwargs)
        try:
            return fast(*args, **kwargs)
        except (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) as error:
            broken = True
            logger.warning("compiling failed (%s); continuing uncompiled", str(error).partition("\n")[0])
            return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def synchronize(device: str) -> None:
    """Wait until ``device`` has finished the work queued on it."""
    if device != "cpu":
        torch.cuda.synchronize()
