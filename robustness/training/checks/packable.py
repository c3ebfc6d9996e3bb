"""Whether a pack gives what single models give: a few real steps of both, compared number by number.

A model may do what no snapshot shows: count in a variable of its module of Python code, hold hooks on gradients,
compute through something that vmap treats in another way. So a small part of the task is trained both ways.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from robustness.optimizers import hyperparameters
from robustness.tasks import Task
from robustness.tasks.splits.generators import generators_kept
from robustness.training.evaluation.tally import Evaluation
from robustness.training.packs.block import Block
from robustness.training.packs.context import PackContext
from robustness.training.process import one_thread
from robustness.training.settings import TrialSettings
from robustness.training.trial import Trainer, evaluate

STEPS, BATCH, EVALUATED, SEEDS = 3, 8, 8, (0, 1)
# What rounding may do in so few steps, by the precision in which they are taken.
TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-3}


class NotPackableError(ValueError):
    """Models of a task cannot be trained as a pack; the message says why."""


@dataclass
class Run:
    """What is compared: losses of the steps, gradients ``[P]`` of each, losses, accuracies and metrics at the end."""

    losses: list[float]
    gradients: list[Tensor]
    ends: list[float]


def check_packable(task: Task, settings: TrialSettings, device: str) -> None:
    """Train a few steps of two models alone and as a pack, and compare them.

    They are compared in float64, to 1e-9; a model that has constants of its own in float32 is compared in float32,
    to 1e-3. Steps are those of momentum SGD, so that all parameters move and rounding does not grow, and of the
    trial's own optimizer, whose losses alone are compared.

    Args:
        task: Any; a small part of its data is used.
        settings: One of the trials ahead.
        device: ``cpu`` or ``cuda``.

    Raises:
        NotPackableError: If the numbers differ.
    """
    plain = {**hyperparameters("sgd"), "lr": 0.01, "weight_decay": 0.01}
    usual = replace(settings, optimizer="sgd", hyperparameters=plain)
    with generators_kept(device), one_thread():
        for trial, gradients in ((usual, True), (settings, False)):
            _check(_part(task), _trial(trial, task), device, gradients)


def _part(task: Task) -> Task:
    """Return a task of the first few examples of each split."""
    size = min(BATCH, len(task.train))
    train, val, test = task.train.first(STEPS * size), task.val.first(EVALUATED), task.test.first(EVALUATED)
    return replace(task, train=train, val=val, test=test)


def _trial(settings: TrialSettings, task: Task) -> TrialSettings:
    """Return a trial in full precision whose gradients are as the loss gives them."""
    size = min(settings.batch_size, BATCH, len(task.train))
    training = replace(settings.training, precision="float32", clip_norm=None)
    return replace(settings, batch_size=size, epochs=STEPS, grad_scale=1.0, training=training)


def _check(task: Task, settings: TrialSettings, device: str, gradients: bool) -> None:
    trials = [replace(settings, seed=seed) for seed in SEEDS]
    for dtype, tolerance in TOLERANCES.items():
        try:
            moved = task.to(device, dtype)
            alone = [_alone(moved, trial, device, dtype) for trial in trials]
        except (
            Exception
        ):  # a model with constants of its own may refuse float64; float32 is what it is made for
            if dtype == torch.float32:
                raise
            continue
        pack = _pack(moved, trials, device, dtype)
        for one, other in zip(alone, pack, strict=True):
            if difference := _difference(one, other, tolerance, gradients):
                raise NotPackableError(
                    f"packs of this model would give other numbers than single models ({difference}); "
                    "trained one by one"
                )
        return


def _alone(task: Task, settings: TrialSettings, device: str, dtype: torch.dtype) -> Run:
    trainer = Trainer(task, settings, device, dtype)
    run = Run([], [], [])
    for inputs, targets in _batches(trainer):
        run.losses.append(float(trainer.train_step(inputs, targets)))
        grads = [parameter.grad for parameter in trainer.parameters if parameter.grad is not None]
        run.gradients.append(torch.cat([grad.to_dense().reshape(-1) for grad in grads]))
    for split in task.splits.values():
        run.ends += _numbers(evaluate(task, trainer.model, split))
    return run


def _pack(task: Task, trials: list[TrialSettings], device: str, dtype: torch.dtype) -> list[Run]:
    block = Block(PackContext(task, device=device, dtype=dtype), trials)
    runs = [Run([], [], []) for _ in trials]
    scalars = [now for epoch in range(STEPS) for now in block.scalars(epoch * block.steps)]
    for (inputs, targets), now in zip(_batches(block), scalars, strict=False):
        own = (part[block.which] for part in (inputs, targets))
        gradient, *_ = block.functions["gradients"](block.flat, *own, *block.buffers.values())
        losses = block.train_step(inputs, targets, now)
        for run, loss, row in zip(runs, losses.tolist(), gradient, strict=True):
            run.losses.append(loss)
            run.gradients.append(row)
    for split in task.splits.values():
        evaluations = block.evaluate(split)
        for run, evaluation in zip(runs, evaluations, strict=True):
            run.ends += _numbers(evaluation)
    return runs


def _numbers(evaluation: Evaluation) -> list[float]:
    """Return loss, accuracy and metric; NaN stands for what there is not."""
    numbers = (evaluation.loss, evaluation.accuracy, evaluation.metric)
    return [math.nan if number is None else number for number in numbers]


def _batches(trainer: Trainer | Block) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches of the first few steps."""
    count = 0
    while True:
        for batch in trainer.feed.epoch():
            if count == STEPS:
                return
            count += 1
            yield batch


def _difference(one: Run, other: Run, tolerance: float, gradients: bool) -> str | None:
    """Return in words where two runs first differ by more than ``tolerance``, or None."""
    for step in range(STEPS):
        if not _close(one.losses[step], other.losses[step], tolerance):
            return f"loss of step {step + 1}: {other.losses[step]:.6g} against {one.losses[step]:.6g}"
        if gradients and not _alike(one.gradients[step], other.gradients[step], tolerance):
            return f"gradient of step {step + 1}"
    for end, other_end in zip(one.ends, other.ends, strict=True):
        if gradients and not _close(end, other_end, tolerance):
            return f"evaluation after {STEPS} steps: {other_end:.6g} against {end:.6g}"
    return None


def _close(one: float, other: float, tolerance: float) -> bool:
    if not (math.isfinite(one) and math.isfinite(other)):
        return math.isfinite(one) == math.isfinite(other)
    return math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-3 * tolerance)


def _alike(one: Tensor, other: Tensor, tolerance: float) -> bool:
    """Return whether two gradients agree, by the norm of the whole."""
    if one.shape != other.shape:
        return False
    norm = one.norm()
    if not norm.isfinite():
        return not bool(other.norm().isfinite())
    return bool((one - other).norm() <= tolerance * norm + 1e-3 * tolerance)
