"""How a process that trains on a CPU is set up."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Parameters of glibc's mallopt, from malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: workers share a machine's cores, and sums do not depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def warm_up() -> None:
    """Import now what torch imports at an optimizer's first step: seconds that are no part of a first trial."""
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter])
    parameter.sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def keep_freed_memory() -> None:
    """Let glibc keep the memory that tensors leave, for the next ones.

    By default every large tensor is a mapping of its own: the system clears each of its pages anew at every
    step. Elsewhere than on Linux with glibc nothing is done.
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
