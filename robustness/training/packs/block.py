"""Trials of one signature, trained together as the rows of one matrix.

Each trial gives what it gives alone, up to rounding, whatever the others do: a trial that diverges is recorded at its
step and leaves the matrix.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from robustness.optimizers import arguments, code_of, rule_of
from robustness.optimizers.rule import Rule
from robustness.tasks.splits.examples import Examples
from robustness.training.checkpoints import Checkpoint
from robustness.training.evaluation.tally import Evaluation
from robustness.training.feed import Feed
from robustness.training.flatness import flatness
from robustness.training.graphs.library import OnTensors, Wanted
from robustness.training.moments import moment_spreads
from robustness.training.packs.columns import Columns
from robustness.training.packs.context import PackContext
from robustness.training.packs.evaluating import PackEvaluator
from robustness.training.packs.update import Update
from robustness.training.randomness import initialized_model
from robustness.training.results import Record, TrialResult
from robustness.training.settings import TrialSettings
from robustness.training.steps import autocast, check_loss


class Block:
    """Trials of one signature, trained together.

    Attributes:
        flat: Parameters ``[K, P]`` of the trials that have neither diverged nor failed.
        alive: Which of the trials these are, ``[K]``.
    """

    def __init__(self, context: PackContext, trials: Sequence[TrialSettings]) -> None:
        self.context, self.task = context, context.task
        self.trials = [settings.completed() for settings in trials]
        self.device, self.dtype = context.device, context.dtype
        task, first = self.task, self.trials[0]
        rule = rule_of(first.optimizer)
        if rule is None:
            raise ValueError(f"{first.optimizer} has no rule, so its trials are trained one by one")
        for settings in self.trials:
            arguments(settings.optimizer, settings.hyperparameters)  # refused as alone
        self.rule: Rule = rule
        self.seeds = sorted({settings.seed for settings in self.trials})
        self.shared = len(self.seeds) == 1
        self.feed = Feed(task, self.seeds, first.batch_size)
        self.steps = task.steps_per_epoch(first.batch_size)
        self.models = context.models
        self.training = first.training
        lower = self.training.precision == "bf16"
        self.autocast = autocast(self.device, self.training) if lower else nullcontext()
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
        """Continue with ``rows`` alone; where graphs serve more of them, the last one is repeated."""
        if len(rows):
            rows = torch.cat([rows, rows[-1:].expand(self.context.rows(len(rows)) - len(rows))])
        self.alive = self.alive[rows.cpu()]
        self.flat = self.flat[rows]
        self.state = {slot: tensor[rows] for slot, tensor in self.state.items()}
        self.buffers = {name: buffer[rows] for name, buffer in self.buffers.items()}
        if len(rows):
            self._collect_numbers()

    def _collect_numbers(self) -> None:
        """Collect the numbers of the trials that are alive, and the index in ``seeds`` of the seed of each."""
        alive = [self.trials[index] for index in self.alive.tolist()]
        # one graph is to serve all blocks of a signature
        self.columns = Columns(alive, self.device, self.dtype, spare=self.context.library is None)
        self.which = torch.tensor([self.seeds.index(settings.seed) for settings in alive], device=self.device)

    @cached_property
    def functions(self) -> dict[str, OnTensors]:
        """What the block computes, by the names in ``wanted``: compiled, if the context compiles."""
        return self.context.functions(self.wanted())

    def wanted(self) -> dict[str, Wanted]:
        """Return what the block computes, with examples of what it is computed from."""
        first, training = self.trials[0], self.training
        batch = self._first_batch(self.task.train, first.batch_size)
        if not self.shared:
            batch = tuple(part.expand(len(self.flat), *part.shape).contiguous() for part in batch)
        largest = max(self.task.splits.values(), key=len)
        evaluated = self._first_batch(largest, self.context.evaluation_batch)
        update = self._update()
        smoothing = training.label_smoothing
        gradients = self.models.gradients(shared=self.shared, label_smoothing=smoothing)
        code, told = code_of(first.optimizer), self.context.told
        held, computes = tuple(self.buffers.values()), (self.autocast, self._tolerance())
        numbers = self.scalars(0)[0]
        return {
            "gradients": Wanted(
                ["gradients", self.shared, smoothing, training.precision],
                gradients,
                (self.flat, *batch, *held),
                *computes,
                told=told,
            ),
            "evaluation": Wanted(
                ["evaluation", training.precision],
                self.models.evaluation(),
                (self.flat, *evaluated, *held),
                *computes,
                told=told,
            ),
            "update": Wanted(
                ["update", first.optimizer, code, *update.described()],
                update.function(),
                # a copy as gradients, since tensors that are one stay one
                (self.flat, self.flat.clone(), *self.state.values(), *numbers),
                nullcontext(),
                self._tolerance(),
                told=code is None,
            ),
        }

    def _first_batch(self, split: Examples, size: int) -> tuple[Tensor, ...]:
        inputs, targets = split.first(size).whole()
        return self.task.prepared(inputs).contiguous(), targets.contiguous()

    def _tolerance(self) -> float:
        """Return how far a graph may be from its function: rounding, and no more."""
        if self.training.precision == "bf16":
            return 0.1
        return 1e-9 if self.dtype == torch.float64 else 1e-4

    def _update(self) -> Update:
        first = self.columns.scalars(self.rule, 0, [1.0])[0]
        clip = self.training.clip_norm
        return Update.of(self.rule, first, self.columns.scale, clip, self.sizes, self.decayed)

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
        self._keep(torch.arange(len(self.alive), device=self.device))
        self.feed.skip(saved["epoch"])

    def _epoch(self, before: int) -> Tensor:
        """Take the steps of an epoch and return the losses ``[steps, K]``."""
        steps = zip(self.feed.epoch(), self.scalars(before), strict=True)
        return torch.stack([self.train_step(*batch, numbers) for batch, numbers in steps])

    def train_step(self, inputs: Tensor, targets: Tensor, numbers: Sequence[Tensor]) -> Tensor:
        """Take one step on what the feed gives, and return the losses ``[K]`` before it."""
        if not self.shared:
            inputs, targets = inputs[self.which], targets[self.which]
        functions, held = self.functions, self.buffers.values()
        with self.autocast:
            gradient, losses, *written = functions["gradients"](
                self.flat, inputs.contiguous(), targets.contiguous(), *held
            )
        self.buffers |= dict(zip(self.models.written, written, strict=True))
        functions["update"](self.flat, gradient, *self.state.values(), *numbers)
        return losses

    def scalars(self, before: int) -> list[tuple[Tensor, ...]]:
        """Return what changes from step to step of an epoch, as ``Update.function`` takes it after the state."""
        first = self.trials[0]
        total = self.task.steps(first.epochs, first.batch_size)
        rates = [first.schedule.multiplier(before + step, total) for step in range(self.steps)]
        lasting = [one for one in (self.columns.scale, self.decayed) if one is not None]
        return [
            (*(value for value in scalars.values() if isinstance(value, Tensor)), *lasting)
            for scalars in self.columns.scalars(self.rule, before, rates)
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
        # NaN where a row has one; ten times as fast as to look at each element
        low, high = self.flat.amin(1), self.flat.amax(1)
        diverged = broken.any(0) | ~(low.isfinite() & high.isfinite())
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

    def evaluate(self, split: Examples) -> list[Evaluation]:
        """Return what the models of all rows give on ``split``."""
        compiled = self.context.library is not None
        evaluator = PackEvaluator(self.models, self.functions["evaluation"], compiled=compiled)
        with self.autocast:
            held = list(self.buffers.values())
            return evaluator.evaluate(self.flat, held, split, self.context.evaluation_batch)

    def _evaluate(self, epoch: int) -> None:
        """Evaluate all splits, and continue without the trials whose metric gave no number."""
        evaluations = {name: self.evaluate(split) for name, split in self.task.splits.items()}
        for trial, row in self._rows().items():
            self.records[trial].note(epoch, {name: rows[row] for name, rows in evaluations.items()})
        going = torch.tensor([not self.records[trial].ended for trial in self.alive.tolist()])
        if not going.all():
            self._keep(going.nonzero()[:, 0].to(self.device))
