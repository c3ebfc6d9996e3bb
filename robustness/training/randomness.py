"""Random numbers that depend on the task's name and a trial's seed, and on nothing else.

Initialization, batches and augmentation each have a stream of their own, so all optimizers at a seed start from the
same weights and see the same batches. What a model draws while it trains, as dropout does, comes from the default
generators of torch, numpy and Python, seeded for each trial; such models cannot be packed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from robustness.tasks import BaseTask, Task


def stream(task: BaseTask, seed: int, purpose: str) -> torch.Generator:
    """Return a new CPU generator for one ``purpose``, such as ``"batches"``."""
    digest = hashlib.sha256(f"{task.name}\n{seed}\n{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def initialized_model(task: Task, seed: int) -> nn.Module:
    """Return the task's model as it is before the first step, float32 on the CPU, in training mode.

    Modules that ``task.model`` has put into evaluation mode stay in it, unless the whole model is.
    """
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(stream(task, seed, "initialization").get_state())
        model = task.model()
    if not isinstance(model, nn.Module):
        raise TypeError(f"model() must return a torch.nn.Module, but returned {model!r}")
    return model if model.training else model.train()


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
def own_draws(task: BaseTask, seed: int, device: str) -> Iterator[None]:
    """Seed the default generators, from which a model draws while it trains, and restore them afterwards."""
    own = stream(task, seed, "training").initial_seed()
    with generators_kept(device):
        torch.manual_seed(own)
        random.seed(own)
        np.random.seed(own % 2**32)  # noqa: NPY002 (the default generator is meant)
        yield


def batches(task: Task, seed: int, batch_size: int) -> Iterator[Tensor]:
    """Yield, epoch after epoch, the indices ``[steps, batch]`` of the training examples of every step.

    Each epoch is a new permutation; examples that do not fill a batch are left out of it.
    """
    generator = stream(task, seed, "batches")
    count = len(task.train)
    steps, size = task.steps_per_epoch(batch_size), min(batch_size, count)
    while True:
        yield torch.randperm(count, generator=generator)[: steps * size].view(steps, size)


def augmentations(task: Task, seed: int, batch_size: int) -> Iterator[Tensor]:
    """Yield, epoch after epoch, the draws that decide how images are changed in every step, ``[steps, batch, 5]``."""
    assert task.augment is not None
    generator = stream(task, seed, "augmentation")
    shape = (task.steps_per_epoch(batch_size), min(batch_size, len(task.train)))
    while True:
        yield task.augment.draw(shape, task.train.inputs.shape[1:], generator)
