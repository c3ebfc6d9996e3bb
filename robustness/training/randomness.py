"""Random numbers that depend on the task's name and a trial's seed, and on nothing else.

Initialization, batches and augmentation each have a stream of their own, so all optimizers at a seed start from the
same weights and see the same batches. Operations of a model that draw while it trains, such as dropout, use torch's
default generators, seeded for each trial; they cannot be packed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from robustness.tasks import Task


def stream(task: Task, seed: int, purpose: str) -> torch.Generator:
    """Return a new CPU generator for one ``purpose``, such as ``"batches"``."""
    digest = hashlib.sha256(f"{task.name}\n{seed}\n{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def initialized_model(task: Task, seed: int) -> nn.Module:
    """Return the task's model as it is before the first step, float32 on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.set_rng_state(stream(task, seed, "initialization").get_state())
        return task.model()


@contextmanager
def own_draws(task: Task, seed: int, device: str) -> Iterator[None]:
    """Seed torch's default generators, from which a model draws while it trains, and restore them afterwards."""
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        torch.manual_seed(stream(task, seed, "training").initial_seed())
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
