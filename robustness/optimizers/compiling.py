"""Compiling functions on tensors where a compiler is found, and going on without where it is not."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import time
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch

logger = logging.getLogger(__name__)

F = TypeVar("F", bound=Callable[..., Any])

# Each optimizer's rule, and each exponent that is a number, is a graph of its own of the same few functions.
GRAPHS_PER_FUNCTION = 256

# Without the first, whether a loop of any length runs on several threads is settled by the first length it is
# compiled for, and the answer kept on disk. The second: processes share the machine's cores.
OPTIONS = {"cpp.dynamic_threads": True, "compile_threads": 1}


@cache
def compiler_found(device: str) -> bool:
    """Return whether ``torch.compile`` can be used; where it cannot, log once what is missing."""
    if device == "cpu":
        found = any(shutil.which(name) for name in (os.environ.get("CXX", ""), "g++", "clang++") if name)
        missing = "no C++ compiler (g++ or clang++) is found"
    else:
        found, missing = importlib.util.find_spec("triton") is not None, "triton is not installed"
    if not found:
        logger.warning("%s, so nothing is compiled: slower, same results", missing)
    return found


def compiled(function: F, *, dynamic: bool) -> F:
    """Return ``function`` compiled, for any sizes if ``dynamic``; where that fails, log it and go on without."""
    torch._dynamo.config.recompile_limit = GRAPHS_PER_FUNCTION
    torch._dynamo.config.accumulated_recompile_limit = GRAPHS_PER_FUNCTION
    # it warns of a CUDA toolkit without a GPU, which is of no use for compiling on the CPU
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
            logger.warning("compiling failed (%s); going on without", str(error).partition("\n")[0])
            return function(*args, **kwargs)

    return call  # type: ignore[return-value]


def faster(function: F, fast: F, device: str, *args: Any, **kwargs: Any) -> F:
    """Return whichever of two ways to compute the same is faster on these arguments, which it must not change."""

    def seconds(candidate: F) -> float:
        candidate(*args, **kwargs)  # compiles, warms caches
        best = float("inf")
        for _ in range(5):
            synchronize(device)
            started = time.perf_counter()
            candidate(*args, **kwargs)
            synchronize(device)
            best = min(best, time.perf_counter() - started)
        return best

    return fast if seconds(fast) < seconds(function) else function


def synchronize(device: str) -> None:
    """Wait until ``device`` has done what it was given."""
    if device != "cpu":
        torch.cuda.synchronize()
