"""Settings of a process that trains on a CPU: threads, memory, and what torch would import late."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

# Parameters of glibc's mallopt, from malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: workers share a machine's cores, and sums do not depend on the number of threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@cache
def warm_up() -> None:
    """Import now what torch imports at an optimizer's first step, so that no trial's time contains those seconds."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter])
    parameter.sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of freed tensors for the next ones.

    By default every large tensor is a mapping of its own, whose pages the system clears anew at every step. Except on
    Linux with glibc, nothing is done.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(M_TOP_PAD, 64 * 2**20)
