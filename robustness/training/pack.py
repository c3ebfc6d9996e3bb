"""Training a pack: many trials of one task and budget as one matrix of models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from robustness.optimizers import RULES, advance
from robustness.optimizers.rule import Rule, step_scalars
from robustness.tasks import Task
from robustness.training.flat import Buffers, FlatModels
from robustness.training.randomness import batches, initialized_model
from robustness.training.results import CurvePoint, TrialResult, concluded
from robustness.training.settings import TrialSettings

# Exponents that are the same for a whole block stay Python numbers: a square root is cheaper than a power.
EXPONENTS = ("mixing", "exponent", "p", "q")
EVALUATION_BATCH = 512


def signature(settings: TrialSettings) -> tuple[Any, ...]:
    """Return what trials must have in common to be rows of one matrix: rule, budget, and all but numbers."""
    fixed = {
        name: value
        for name, value in settings.hyperparameters.items()
        if not isinstance(value, float | int) or isinstance(value, bool)
    }
    return (
        settings.optimizer,
        settings.epochs,
        settings.batch_size,
        settings.schedule,
        tuple(sorted(fixed.items(), key=lambda item: item[0])),
    )


def blocks(trials: Sequence[TrialSettings]) -> list[list[int]]:
    """Return the indices of ``trials`` grouped by ``signature``."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, settings in enumerate(trials):
        groups.setdefault(signature(settings), []).append(index)
    return list(groups.values())


def train_pack(
    task: Task, trials: Sequence[TrialSettings], *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> list[TrialResult]:
    """Train many trials at once; each gives what ``train`` gives, up to rounding.

    Trials of different optimizers are trained one block after the other.

    Args:
        task: With data that all trials share.
        trials: Their optimizers must have a rule (``robustness.optimizers.RULES``).
        device: Where the models live.
        dtype: Of the models' parameters.

    Returns:
        The results in the order of ``trials``; ``wall_seconds`` is a trial's share of its block's time.
    """
    task = task.to(device, dtype)
    results: dict[int, TrialResult] = {}
    for indices in blocks(trials):
        block = Block(task, [trials[index] for index in indices], device, dtype)
        results |= dict(zip(indices, block.train(), strict=True))
    return [results[index] for index in range(len(trials))]


@dataclass
class _Record:
    """What is known of one trial so far."""

    curves: list[CurvePoint]
    stopped: int | None = None


class Block:
    """Trials of one signature, trained together.

    Attributes:
        flat: Parameters ``[K, P]`` of the trials that have not diverged.
        alive: Which of the trials these are, ``[K]``.
    """

    def __init__(self, task: Task, trials: Sequence[TrialSettings], device: str, dtype: torch.dtype) -> None:
        self.task, self.trials, self.device, self.dtype = task, list(trials), device, dtype
        first = self.trials[0]
        self.rule: Rule = RULES[first.optimizer]
        self.seeds = sorted({settings.seed for settings in self.trials})
        self.streams = {seed: batches(task, seed, first.batch_size) for seed in self.seeds}
        self.steps = task.steps_per_epoch(first.batch_size)
        models = {seed: initialized_model(task, seed).to(device, dtype) for seed in self.seeds}
        self.models = FlatModels(task, initialized_model(task, first.seed))
        self.flat, self.buffers = self.models.matrix([models[settings.seed] for settings in self.trials])
        self.state = {slot: torch.zeros_like(self.flat) for slot in self.rule.slots}
        scoped = first.hyperparameters.get("scope") == "tensor"
        self.sizes = self.models.sizes if scoped else None
        self.records = [_Record([]) for _ in self.trials]
        self.alive = torch.arange(len(self.trials))
        self._columns()

    def _columns(self) -> None:
        """Collect the numbers of the living trials as ``[K, 1]`` columns."""
        living = [self.trials[index] for index in self.alive.tolist()]
        self.hyper = {
            name: self._column(name, [settings.hyperparameters[name] for settings in living])
            for name in living[0].hyperparameters
        }
        scales = [settings.grad_scale for settings in living]
        self.scale = self._tensor(scales).to(self.dtype) if set(scales) != {1} else None
        self.which = torch.tensor(
            [self.seeds.index(settings.seed) for settings in living], device=self.device
        )

    def _column(self, name: str, values: list[Any]) -> Any:
        same = all(value == values[0] for value in values)
        number = isinstance(values[0], float | int) and not isinstance(values[0], bool)
        if not number or (same and (name in EXPONENTS or (name == "weight_decay" and values[0] == 0))):
            return values[0]
        return self._tensor(values)

    def _tensor(self, values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.device)[:, None]

    def train(self) -> list[TrialResult]:
        """Train to the end."""
        started = time.perf_counter()
        self._evaluate(0)
        for epoch in range(1, self.trials[0].epochs + 1):
            losses = self._epoch((epoch - 1) * self.steps)
            self._drop_diverged(losses, (epoch - 1) * self.steps)
            if not len(self.alive):
                break
            self._evaluate(epoch)
        share = (time.perf_counter() - started) / len(self.trials)
        return [concluded(record.curves, record.stopped, share) for record in self.records]

    def _epoch(self, before: int) -> Tensor:
        """Take the steps of an epoch and return the losses ``[steps, K]``."""
        train = self.task.train
        scalars = self._scalars(before)
        indices = torch.stack([next(self.streams[seed]) for seed in self.seeds]).to(self.device)
        shared = len(self.seeds) == 1
        losses = []
        for step in range(self.steps):
            chosen = indices[0, step] if shared else indices[self.which, step]
            now = {
                name: v[step] if isinstance(v, Tensor) and v.dim() == 3 else v for name, v in scalars.items()
            }
            losses.append(self._step(train.inputs[chosen], train.targets[chosen], shared, now))
        return torch.stack(losses)

    def _step(self, inputs: Tensor, targets: Tensor, shared: bool, scalars: dict[str, Any]) -> Tensor:
        gradient, loss, self.buffers = self.models.gradients(
            self.flat, self.buffers, inputs, targets, shared=shared
        )
        if self.scale is not None:
            gradient.mul_(self.scale)
        advance(self.rule, self.flat, gradient, self.state, scalars, self.sizes)
        return loss

    def _scalars(self, before: int) -> dict[str, Any]:
        """Return the scalars of all steps of an epoch: ``[steps, K, 1]``, or ``[K, 1]``, or numbers."""
        first = self.trials[0]
        total = self.task.steps(first.epochs, first.batch_size)
        numbers = torch.arange(before, before + self.steps, dtype=torch.float64, device=self.device)
        rates = [first.schedule.multiplier(before + step, total) for step in range(self.steps)]
        hyper = {**self.hyper, "lr": self.hyper["lr"] * self._tensor(rates)[:, None]}
        return step_scalars(self.rule, numbers[:, None, None] + 1, hyper, self.dtype)

    def _drop_diverged(self, losses: Tensor, before: int) -> None:
        """Note the trials with a loss or parameters that are not finite, and go on without their rows."""
        broken = ~losses.isfinite()
        first = torch.where(broken.any(0), broken.int().argmax(0) + 1, self.steps)
        gone = broken.any(0) | ~self.flat.isfinite().all(1)
        if not gone.any():
            return
        for index, step, is_gone in zip(self.alive.tolist(), first.tolist(), gone.tolist(), strict=True):
            if is_gone:
                self.records[index].stopped = before + step
        kept = (~gone).nonzero()[:, 0]
        self.alive = self.alive[kept.cpu()]
        self.flat = self.flat[kept]
        self.state = {slot: tensor[kept] for slot, tensor in self.state.items()}
        self.buffers: Buffers = {name: buffer[kept] for name, buffer in self.buffers.items()}
        if len(kept):
            self._columns()

    def _evaluate(self, epoch: int) -> None:
        for name, split in self.task.splits.items():
            losses, right = self.models.evaluate(self.flat, self.buffers, split, EVALUATION_BATCH)
            rights = right.tolist() if self.task.correct is not None else [None] * len(self.alive)
            for index, loss, accuracy in zip(self.alive.tolist(), losses.tolist(), rights, strict=True):
                self.records[index].curves.append(CurvePoint(epoch, name, loss, accuracy))
