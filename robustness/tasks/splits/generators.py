"""The default random generators of torch, numpy and Python: kept, and seeded for a while."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def generators_kept(device: str | torch.device = "cpu") -> Iterator[None]:
    """Restore the default random generators of torch, numpy and Python afterwards."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (the default generator is meant)
    gpus = [torch.cuda.current_device()] if torch.device(device).type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=gpus):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 (the default generator is meant)


@contextmanager
def seeded(seed: int, device: str | torch.device = "cpu") -> Iterator[None]:
    """Seed the default generators, and restore them afterwards.

    On the CPU a GPU's generator is left alone: a model that trains there may draw from it.
    """
    with generators_kept(device):
        torch.default_generator.manual_seed(seed)
        if torch.device(device).type == "cuda":
            torch.cuda.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002 (the default generator is meant)
        yield
