"""Training a pack: many trials of one task as matrices of models, one for each group of trials with one signature.

Each trial gives what it gives alone, up to rounding, whatever the others do: a trial that diverges is recorded at its
step and leaves the matrix. Models with random operations, whose control flow depends on values, or with state that is
neither parameter nor buffer cannot be packed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from robustness.optimizers import RULES, advance, arguments, begin, finish
from robustness.optimizers.fast.compiling import compiled, compiler_found
from robustness.optimizers.rule import Rule, Scalars, State, absorbed
from robustness.tasks import Task
from robustness.training.checkpoints import Checkpoint
from robustness.training.columns import Columns, blocks
from robustness.training.feed import Feed
from robustness.training.flat import FlatModels, evaluation_batch
from robustness.training.flatness import flatness
from robustness.training.moments import moment_spreads
from robustness.training.randomness import initialized_model
from robustness.training.results import Record, TrialResult
from robustness.training.settings import TrialSettings
from robustness.training.steps import autocast, check_loss
from robustness.training.trial import FEWEST_EVALUATED

# torch compiles a graph of its own for one row; from two on, one graph serves any number of rows.
FEWEST_COMPILED = 2
# The most predictions of each model at once, so that the outputs of all models of a pack stay in the cache.
EVALUATED_PREDICTIONS = 256


def pack_examples(task: Task) -> int:
    """Return how many examples all models of a pack are evaluated on at once."""
    return evaluation_batch(task, max(FEWEST_EVALUATED, EVALUATED_PREDICTIONS // task.predictions))


class PackTrainer:
    """Trains packs of one task; graphs compiled for one pack serve the next.

    Args:
        task: With data that all trials share.
        device: Where the models live.
        dtype: Of the models' parameters.
        compile: Whether to compile the computations of a step, where there is a compiler.
    """

    def __init__(
        self, task: Task, *, device: str = "cpu", dtype: torch.dtype = torch.float32, compile: bool = False
    ) -> None:
        self.task, self.device, self.dtype = task.to(device, dtype), device, dtype
        self.compile = compile and compiler_found(device)
        self.models = FlatModels(self.task, dtype, compile=self.compile)
        self.evaluation_batch = pack_examples(task)
        self.begin = compiled(begin, dynamic=True) if self.compile else begin
        self.finish = compiled(finish, dynamic=True) if self.compile else finish
        self.advance = compiled(advance, dynamic=True) if self.compile else advance

    def train(
        self, trials: Sequence[TrialSettings], checkpoint: Checkpoint | None = None
    ) -> list[TrialResult]:
        """Train many trials at once; each gives what ``train`` gives for it, up to rounding.

        Trials of different optimizers are trained one block after the other.

        Args:
            trials: Their optimizers must have a rule (``robustness.optimizers.RULES``).
            checkpoint: Where they are saved, and resumed from if they were saved before; only for trials that
                form a single block.

        Returns:
            The results in the order of ``trials``; ``wall_seconds`` is a trial's share of its block's time.
        """
        trials = [settings.completed() for settings in trials]
        results: dict[int, TrialResult] = {}
        for indices in blocks(trials):
            block = Block(self, [trials[index] for index in indices])
            results |= dict(zip(indices, block.train(checkpoint), strict=True))
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
        # in two graphs, so that the power of the global moment is taken once per row, not once per element
        gradient = self.begin(rule, flat, gradient, state, scalars)
        self.finish(rule, flat, gradient, state, absorbed(rule, state, scalars, sizes))


class Block:
    """Trials of one signature, trained together.

    Attributes:
        flat: Parameters ``[K, P]`` of the trials that have neither diverged nor failed.
        alive: Which of the trials these are, ``[K]``.
    """

    def __init__(self, trainer: PackTrainer, trials: Sequence[TrialSettings]) -> None:
        self.trainer, self.task = trainer, trainer.task
        self.trials = [settings.completed() for settings in trials]
        self.device, self.dtype = trainer.device, trainer.dtype
        task, first = self.task, self.trials[0]
        if first.optimizer not in RULES:
            raise ValueError(f"{first.optimizer} has no rule, so its trials are trained one by one")
        for settings in self.trials:
            arguments(settings.optimizer, settings.hyperparameters)  # refused as alone
        self.rule: Rule = RULES[first.optimizer]
        self.seeds = sorted({settings.seed for settings in self.trials})
        self.feed = Feed(task, self.seeds, first.batch_size)
        self.steps = task.steps_per_epoch(first.batch_size)
        self.models = trainer.models
        self.training = first.training
        self.autocast = autocast(self.device, self.training)
        check_loss(task, self.training)
        self.decayed = self._decayed() if self.training.decay == "matrices" else None
        models = {seed: initialized_model(task, seed).to(self.device, self.dtype) for seed in self.seeds}
        self.flat, self.buffers = self.models.matrix([models[settings.seed] for settings in self.trials])
        self.state = {slot: torch.zeros_like(self.flat) for slot in self.rule.slots}
        scoped = first.hyperparameters.get("scope") == "tensor"
        self.sizes = self.models.sizes if scoped else None
        self.records = [Record() for _ in self.trials]
        self.alive = torch.arange(len(self.trials))
        self._keep(self.alive)

    def _keep(self, rows: Tensor) -> None:
        """Continue with ``rows`` alone; where graphs are compiled for at least two rows, a single one is doubled."""
        if len(rows) == 1 and self.trainer.compile:
            rows = rows.repeat(FEWEST_COMPILED)
        self.alive = self.alive[rows.cpu()]
        self.flat = self.flat[rows]
        self.state = {slot: tensor[rows] for slot, tensor in self.state.items()}
        self.buffers = {name: buffer[rows] for name, buffer in self.buffers.items()}
        if len(rows):
            self._collect_numbers()

    def _collect_numbers(self) -> None:
        """Collect the numbers of the trials that are alive, and the index in ``seeds`` of the seed of each."""
        alive = [self.trials[index] for index in self.alive.tolist()]
        self.columns = Columns(alive, self.device, self.dtype)
        self.which = torch.tensor([self.seeds.index(settings.seed) for settings in alive], device=self.device)

    def train(self, checkpoint: Checkpoint | None = None) -> list[TrialResult]:
        """Train to the end, resuming from ``checkpoint`` if there is one, and saving on the way."""
        started = time.perf_counter()
        saved = checkpoint.load() if checkpoint is not None else None
        if saved is None:
            done = 0
            self._evaluate(0)
        else:
            done = saved["epoch"]
            self._restore(saved)
            started -= saved["seconds"]
        epochs = self.trials[0].epochs
        for epoch in range(done + 1, epochs + 1):
            if not len(self.alive):
                break
            losses = self._epoch((epoch - 1) * self.steps)
            self._drop_diverged(losses, (epoch - 1) * self.steps)
            if len(self.alive) and self.training.evaluated(epoch, epochs):
                self._evaluate(epoch)
            self._look_at_moments(epoch)
            if checkpoint is not None and len(self.alive) and checkpoint.due(epoch, epochs):
                seconds = time.perf_counter() - started
                checkpoint.save({"epoch": epoch, "seconds": seconds, **self._saved()})
        self._measure_flatness()
        share = (time.perf_counter() - started) / len(self.trials)
        return [record.result(share) for record in self.records]

    def _saved(self) -> dict[str, Any]:
        """Return what the block resumes from, except its batches, which its seeds determine."""
        records = [record.saved() for record in self.records]
        matrices = {"alive": self.alive, "flat": self.flat, "state": self.state, "buffers": self.buffers}
        return {"records": records, **matrices}

    def _restore(self, saved: dict[str, Any]) -> None:
        """Resume from what was saved."""
        self.records = [Record.restored(record) for record in saved["records"]]
        self.alive, self.flat = saved["alive"], saved["flat"].to(self.device)
        self.state = {slot: tensor.to(self.device) for slot, tensor in saved["state"].items()}
        self.buffers = {name: buffer.to(self.device) for name, buffer in saved["buffers"].items()}
        self._collect_numbers()
        self.feed.skip(saved["epoch"])

    def _epoch(self, before: int) -> Tensor:
        """Take the steps of an epoch and return the losses ``[steps, K]``."""
        shared = len(self.seeds) == 1
        losses = []
        for batch, now in zip(self.feed.epoch(), self.scalars(before), strict=True):
            inputs, targets = batch if shared else (part[self.which] for part in batch)
            losses.append(self.train_step(inputs, targets, shared, now))
        return torch.stack(losses)

    def train_step(self, inputs: Tensor, targets: Tensor, shared: bool, scalars: Scalars) -> Tensor:
        """Take one step, on one prepared batch for all models or one for each; return the losses before it."""
        smoothing = self.training.label_smoothing
        with self.autocast:
            gradient, loss, self.buffers = self.models.gradients(
                self.flat, self.buffers, inputs, targets, shared=shared, label_smoothing=smoothing
            )
        if self.columns.scale is not None:
            gradient.mul_(self.columns.scale)
        if self.training.clip_norm is not None:
            # as torch.nn.utils.clip_grad_norm_ does, for each row
            norm = gradient.norm(dim=1, keepdim=True)
            gradient.mul_((self.training.clip_norm / (norm + 1e-6)).clamp_max(1))
        self.trainer.update(self.rule, self.flat, gradient, self.state, scalars, self.sizes)
        return loss

    def scalars(self, before: int) -> list[dict[str, Any]]:
        """Return the scalars of each step of an epoch: columns ``[K, 1]`` and numbers."""
        first = self.trials[0]
        total = self.task.steps(first.epochs, first.batch_size)
        rates = [first.schedule.multiplier(before + step, total) for step in range(self.steps)]
        return [
            {**scalars, "decayed": self.decayed} for scalars in self.columns.scalars(self.rule, before, rates)
        ]

    def _decayed(self) -> Tensor:
        """Return, for each element of a row, whether it decays, ``[P]``."""
        parts = [
            torch.full((size,), does)
            for size, does in zip(self.models.sizes, self.models.decayed, strict=True)
        ]
        return torch.cat(parts).to(self.device)

    def _drop_diverged(self, losses: Tensor, before: int) -> None:
        """Record the trials whose loss or parameters are not finite, and continue without their rows."""
        broken = ~losses.isfinite()
        first = torch.where(broken.any(0), broken.int().argmax(0) + 1, self.steps)
        diverged = broken.any(0) | ~self.flat.isfinite().all(1)
        if not diverged.any():
            return
        for index, step, ended in zip(self.alive.tolist(), first.tolist(), diverged.tolist(), strict=True):
            if ended:
                self.records[index].stopped = before + step
        self._keep((~diverged).nonzero()[:, 0])

    def _rows(self) -> dict[int, int]:
        """Return the row of each trial that is alive."""
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
                self.models.load(model, self.flat[row], buffers)
                self.records[trial].flatness = flatness(self.task, model)

    def _evaluate(self, epoch: int) -> None:
        """Evaluate all splits, and continue without the trials whose metric gave no number."""
        with self.autocast:
            evaluations = {
                name: self.models.evaluate(self.flat, self.buffers, split, self.trainer.evaluation_batch)
                for name, split in self.task.splits.items()
            }
        for trial, row in self._rows().items():
            self.records[trial].note(epoch, {name: rows[row] for name, rows in evaluations.items()})
        going = torch.tensor([not self.records[trial].ended for trial in self.alive.tolist()])
        if not going.all():
            self._keep(going.nonzero()[:, 0].to(self.device))
