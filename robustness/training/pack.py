"""Training a pack: many trials of one task and budget as one matrix of models."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from robustness.compiling import compiled, compiler_found
from robustness.optimizers import RULES, advance, begin, finish
from robustness.optimizers.rule import Rule, Scalars, State, absorbed, step_scalars
from robustness.tasks import Task
from robustness.training.flat import FlatModels, evaluation_batch
from robustness.training.flatness import flatness
from robustness.training.moments import moment_spreads
from robustness.training.randomness import batches, initialized_model
from robustness.training.results import CurvePoint, MomentSpread, TrialResult, concluded, with_measures
from robustness.training.settings import TrialSettings

# Exponents for which square roots alone serve stay Python numbers, in blocks of their own: a third of the time.
EXPONENTS = ("mixing", "exponent", "p", "q")
ROOTS = (-0.5, 0.0, 0.25, 0.5, 1.0)
# torch makes a graph of its own for one row; with at least two, one graph serves any number.
FEWEST_COMPILED = 2
EVALUATION_BATCH = 256  # at most; outputs of all models of a pack are to stay in cache


def _fixed(name: str, value: Any) -> bool:
    """Return whether all rows of a matrix must have ``value``; other hyperparameters are columns of numbers."""
    number = isinstance(value, float | int) and not isinstance(value, bool)
    return not number or (name in EXPONENTS and value in ROOTS)


def signature(settings: TrialSettings) -> tuple[Any, ...]:
    """Return what trials must have in common to be rows of one matrix: rule, budget, and all but numbers."""
    fixed = {name: value for name, value in settings.hyperparameters.items() if _fixed(name, value)}
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


class PackTrainer:
    """Trains packs of one task; graphs that are compiled for one pack serve the next.

    Args:
        task: With data that all trials share.
        device: Where the models live.
        dtype: Of the models' parameters.
        compile: Whether to compile what every step computes.
    """

    def __init__(
        self, task: Task, *, device: str = "cpu", dtype: torch.dtype = torch.float32, compile: bool = False
    ) -> None:
        self.task, self.device, self.dtype = task.to(device, dtype), device, dtype
        self.compile = compile and compiler_found(device)
        self.models = FlatModels(self.task, compile=self.compile)
        self.evaluation_batch = evaluation_batch(task, EVALUATION_BATCH)
        self.begin = compiled(begin, dynamic=True) if self.compile else begin
        self.finish = compiled(finish, dynamic=True) if self.compile else finish
        self.advance = compiled(advance, dynamic=True) if self.compile else advance

    def train(self, trials: Sequence[TrialSettings]) -> list[TrialResult]:
        """Train many trials at once; each gives what ``train`` gives, up to rounding.

        Trials of different optimizers are trained one block after the other.

        Args:
            trials: Their optimizers must have a rule (``robustness.optimizers.RULES``).

        Returns:
            The results in the order of ``trials``; ``wall_seconds`` is a trial's share of its block's time.
        """
        results: dict[int, TrialResult] = {}
        for indices in blocks(trials):
            block = Block(self, [trials[index] for index in indices])
            results |= dict(zip(indices, block.train(), strict=True))
        return [results[index] for index in range(len(trials))]

    def update(
        self,
        rule: Rule,
        flat: Tensor,
        gradient: Tensor,
        state: State,
        scalars: Scalars,
        sizes: list[int] | None,
    ) -> None:
        """Do one update of a matrix of models."""
        if rule.absorb is None:
            self.advance(rule, flat, gradient, state, scalars, sizes)
            return
        # in two graphs, so that the global moment's power is taken once a row and not once an element
        gradient = self.begin(rule, flat, gradient, state, scalars)
        self.finish(rule, flat, gradient, state, absorbed(rule, state, scalars, sizes))


@dataclass
class _Record:
    """What is known of one trial so far."""

    curves: list[CurvePoint]
    stopped: int | None = None
    spreads: list[MomentSpread] = field(default_factory=list)
    flatness: dict[str, float] = field(default_factory=dict)


class Block:
    """Trials of one signature, trained together.

    Attributes:
        flat: Parameters ``[K, P]`` of the trials that have not diverged.
        alive: Which of the trials these are, ``[K]``.
    """

    def __init__(self, trainer: PackTrainer, trials: Sequence[TrialSettings]) -> None:
        self.trainer, self.task, self.trials = trainer, trainer.task, list(trials)
        self.device, self.dtype = trainer.device, trainer.dtype
        task, first = self.task, self.trials[0]
        self.rule: Rule = RULES[first.optimizer]
        self.seeds = sorted({settings.seed for settings in self.trials})
        self.streams = {seed: batches(task, seed, first.batch_size) for seed in self.seeds}
        self.steps = task.steps_per_epoch(first.batch_size)
        self.models = trainer.models
        models = {seed: initialized_model(task, seed).to(self.device, self.dtype) for seed in self.seeds}
        self.flat, self.buffers = self.models.matrix([models[settings.seed] for settings in self.trials])
        self.state = {slot: torch.zeros_like(self.flat) for slot in self.rule.slots}
        scoped = first.hyperparameters.get("scope") == "tensor"
        self.sizes = self.models.sizes if scoped else None
        self.records = [_Record([]) for _ in self.trials]
        self.alive = torch.arange(len(self.trials))
        self._keep(self.alive)

    def _keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` alone; where graphs are compiled for two rows and more, a last one goes twice."""
        if len(rows) == 1 and self.trainer.compile:
            rows = rows.repeat(FEWEST_COMPILED)
        self.alive = self.alive[rows.cpu()]
        self.flat = self.flat[rows]
        self.state = {slot: tensor[rows] for slot, tensor in self.state.items()}
        self.buffers = {name: buffer[rows] for name, buffer in self.buffers.items()}
        if len(rows):
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
        if _fixed(name, values[0]) or (name == "weight_decay" and not any(values)):
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
            self._look_at_moments(epoch)
        self._measure_flatness()
        share = (time.perf_counter() - started) / len(self.trials)
        return [
            with_measures(concluded(record.curves, record.stopped, share), record.flatness, record.spreads)
            for record in self.records
        ]

    def _epoch(self, before: int) -> Tensor:
        """Take the steps of an epoch and return the losses ``[steps, K]``."""
        train = self.task.train
        indices = torch.stack([next(self.streams[seed]) for seed in self.seeds]).to(self.device)
        shared = len(self.seeds) == 1
        losses = []
        for step, now in enumerate(self.scalars(before)):
            chosen = indices[0, step] if shared else indices[self.which, step]
            losses.append(self.train_step(train.inputs[chosen], train.targets[chosen], shared, now))
        return torch.stack(losses)

    def train_step(self, inputs: Tensor, targets: Tensor, shared: bool, scalars: Scalars) -> Tensor:
        """Take one step on one batch for all, or one for each, and return the losses ``[K]`` before it."""
        gradient, loss, self.buffers = self.models.gradients(
            self.flat, self.buffers, inputs, targets, shared=shared
        )
        if self.scale is not None:
            gradient.mul_(self.scale)
        self.trainer.update(self.rule, self.flat, gradient, self.state, scalars, self.sizes)
        return loss

    def scalars(self, before: int) -> list[dict[str, Any]]:
        """Return the scalars of each step of an epoch: columns ``[K, 1]`` and numbers."""
        first = self.trials[0]
        total = self.task.steps(first.epochs, first.batch_size)
        numbers = torch.arange(before, before + self.steps, dtype=torch.float64, device=self.device)
        rates = [first.schedule.multiplier(before + step, total) for step in range(self.steps)]
        hyper = {**self.hyper, "lr": self.hyper["lr"] * self._tensor(rates)[:, None]}
        scalars = step_scalars(self.rule, numbers[:, None, None] + 1, hyper, self.dtype)
        by_step = {
            name: value.unbind() if isinstance(value, Tensor) and value.dim() == 3 else [value] * self.steps
            for name, value in scalars.items()
        }
        return [dict(zip(by_step, values, strict=True)) for values in zip(*by_step.values(), strict=True)]

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
        self._keep((~gone).nonzero()[:, 0])

    def _rows(self) -> dict[int, int]:
        """Return each living trial and the row that it has."""
        return {trial: row for row, trial in enumerate(self.alive.tolist())}

    def _look_at_moments(self, epoch: int) -> None:
        if "exp_avg_sq" not in self.state:
            return
        for trial, row in self._rows().items():
            if epoch in self.trials[trial].diagnostics:
                held = self.models.parts(self.state["exp_avg_sq"][row])
                self.records[trial].spreads += moment_spreads(epoch, held)

    def _measure_flatness(self) -> None:
        for trial, row in self._rows().items():
            if self.trials[trial].flatness:
                model = initialized_model(self.task, self.trials[trial].seed).to(self.device, self.dtype)
                buffers = {name: buffer[row] for name, buffer in self.buffers.items()}
                model.load_state_dict({**self.models.parts(self.flat[row]), **buffers}, strict=False)
                self.records[trial].flatness = flatness(self.task, model)

    def _evaluate(self, epoch: int) -> None:
        for name, split in self.task.splits.items():
            losses, right = self.models.evaluate(
                self.flat, self.buffers, split, self.trainer.evaluation_batch
            )
            rights = right.tolist() if self.task.correct is not None else [None] * len(self.alive)
            points = zip(self.alive.tolist(), losses.tolist(), rights, strict=True)
            for index, loss, accuracy in dict.fromkeys(points):
                self.records[index].curves.append(CurvePoint(epoch, name, loss, accuracy))
