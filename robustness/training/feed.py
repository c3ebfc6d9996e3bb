"""Batches of the training split for trials of one or several seeds, prepared on the data's own device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from robustness.tasks import Task
from robustness.tasks.splits.examples import Batch
from robustness.training.randomness import augmentations, batches, item_draws


class Feed:
    """Batches of one seed, or of several at a time; a seed's batches do not depend on the others.

    Args:
        task: With its data on the device that trains.
        seeds: One gives batches ``[batch, ...]``, several ``[seeds, batch, ...]``.
        batch_size: Examples of one seed's batch.

    Raises:
        ValueError: If there are fewer training examples than that.
    """

    def __init__(self, task: Task, seeds: Sequence[int], batch_size: int) -> None:
        if batch_size > len(task.train):
            raise ValueError(
                f"batch_size must be at most the {len(task.train)} training examples of {task.name}, "
                f"but got {batch_size}"
            )
        self.task = task
        self.indices = [batches(task, seed, batch_size) for seed in seeds]
        changed = task.augment is not None
        self.draws = [augmentations(task, seed, batch_size) for seed in seeds] if changed else []
        self.item_draws = item_draws(task, seeds[0])  # of a dataset, which one seed at a time is trained on

    def epoch(self) -> Iterator[Batch]:
        """Yield inputs and targets of each step of the next epoch."""
        train = self.task.train
        indices = torch.stack([next(stream) for stream in self.indices], 1)
        if self.draws:
            draws = torch.stack([next(stream) for stream in self.draws], 1).to(train.device)
        for step, (inputs, targets) in enumerate(train.chosen(indices.flatten(1), next(self.item_draws))):
            if self.draws:
                inputs = self.task.changed(inputs, draws[step].flatten(0, 1))
            inputs = self.task.prepared(inputs)
            if len(self.indices) > 1:
                shape = (len(self.indices), -1)
                inputs, targets = inputs.unflatten(0, shape), targets.unflatten(0, shape)
            yield inputs, targets

    def skip(self, epochs: int) -> None:
        """Skip the next epochs."""
        for stream in (*self.indices, *self.draws, self.item_draws):
            for _ in range(epochs):
                next(stream)
