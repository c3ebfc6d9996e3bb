"""Random numbers that depend on the task's name and a trial's seed, and on nothing else.

Initialization, batches, augmentation and what a dataset draws each have a stream of their own, so all optimizers at a
seed start from the same weights and see the same batches. What a model draws while it trains, as dropout does, comes
from the default generators of torch, numpy and Python, seeded for each trial; such models cannot be packed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import torch
from torch import Tensor, nn

from robustness.tasks import BaseTask, Task
from robustness.tasks.splits.generators import seeded


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
def own_draws(task: BaseTask, seed: int, device: str) -> Iterator[None]:
    """Seed the default generators, from which a model draws while it trains, and restore them afterwards."""
    own = stream(task, seed, "training").initial_seed()
    with seeded(own, device):
        yield


def batches(task: Task, seed: int, batch_size: int) -> Iterator[Tensor]:
    """Yield, epoch after epoch, the indices ``[steps, batch]`` of the training examples of every step.

    Each epoch is a new permutation; examples that do not fill a batch are left out of it.
    """
    generator = stream(task, seed, "batches")
    examples = len(task.train)
    steps, size = task.steps_per_epoch(batch_size), min(batch_size, examples)
    while True:
        yield torch.randperm(examples, generator=generator)[: steps * size].view(steps, size)


def item_draws(task: Task, seed: int) -> Iterator[int]:
    """Yield, epoch after epoch, the seed of what a dataset draws at random while its examples are read."""
    for epoch in count(1):
        yield stream(task, seed, f"examples of epoch {epoch}").initial_seed()


def augmentations(task: Task, seed: int, batch_size: int) -> Iterator[Tensor]:
    """Yield, epoch after epoch, the draws that decide how images are changed in every step, ``[steps, batch, 5]``."""
    assert task.augment is not None
    generator = stream(task, seed, "augmentation")
    image = task.train.first(1).whole()[0].shape[1:]
    shape = (task.steps_per_epoch(batch_size), min(batch_size, len(task.train)))
    while True:
        yield task.augment.draw(shape, image, generator)
