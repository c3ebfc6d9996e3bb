"""Short measurements: the time of a training step of one model, alone or in a pack, with its share of evaluations.

The fastest of a few steps counts, so a machine busy with something else for a moment does not distort the result.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

import torch

from robustness.optimizers.fast.compiling import synchronize
from robustness.tasks import Task
from robustness.training.packs.block import Block
from robustness.training.packs.context import PackContext
from robustness.training.settings import TrialSettings
from robustness.training.trial import Trainer, evaluate, examples_at_once

MEASURED_STEPS = 6


def sequential_seconds(task: Task, settings: TrialSettings, device: str) -> float:
    """Return the time of one step of a single model with its share of the evaluations, from a few of both.

    Args:
        task: What is trained.
        settings: How; the budget decides how many examples are evaluated per step.
        device: ``cpu`` or ``cuda``.

    Returns:
        Seconds.
    """
    task = task.to(device)
    trainer = Trainer(task, settings, device, torch.float32)
    batches = chain.from_iterable(iter(trainer.feed.epoch, None))
    step = best_seconds(lambda: trainer.train_step(*next(batches)), device)
    some = task.train.first(examples_at_once(task))

    def evaluation() -> None:
        with trainer.autocast:
            evaluate(task, trainer.model, some)

    seconds = best_seconds(evaluation, device)
    return step + seconds / len(some) * evaluated_per_step(task, settings)


def pack_seconds(
    task: Task, settings: TrialSettings, device: str, size: int, *, compile: bool = False
) -> float:
    """Return the time of one step of one of ``size`` models trained together, with its share of the evaluations."""
    context = PackContext(task, device=device, compile=compile)
    rates = [settings.hyperparameters["lr"] * (1 + 1e-3 * row) for row in range(size)]
    rows = [replace(settings, hyperparameters={**settings.hyperparameters, "lr": rate}) for rate in rates]
    block = Block(context, rows)
    batch, scalars = next(iter(block.feed.epoch())), block.scalars(0)[0]
    step = best_seconds(lambda: block.train_step(*batch, scalars), device)
    some = context.task.train.first(context.evaluation_batch)
    evaluation = best_seconds(lambda: block.evaluate(some), device)
    return (step + evaluation / len(some) * evaluated_per_step(task, settings)) / size


def evaluated_per_step(task: Task, settings: TrialSettings) -> float:
    """Return how many examples are evaluated for every training step."""
    times = sum(settings.training.evaluated(epoch, settings.epochs) for epoch in range(settings.epochs + 1))
    examples = sum(len(split) for split in task.splits.values())
    return times * examples / task.steps(settings.epochs, settings.batch_size)


def best_seconds(step: Callable[[], object], device: str) -> float:
    """Return the seconds of the fastest of a few steps: at least two, and about a second of them at most."""
    best, begun = float("inf"), time.perf_counter()
    for count in range(MEASURED_STEPS):
        if count >= 2 and time.perf_counter() - begun > 1:
            break
        synchronize(device)
        started = time.perf_counter()
        step()
        synchronize(device)
        best = min(best, time.perf_counter() - started)
    return best
