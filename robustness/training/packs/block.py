"""Trials of one signature, trained together as the rows of one matrix.

Each trial gives what it gives alone, up to rounding, whatever the others do: a trial that diverges is recorded at its
step and leaves the matrix.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from itertools import islice
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
from robustness.training.packs.columns import Columns, by_slab
from robustness.training.packs.context import PackContext
from robustness.training.packs.evaluating import PackEvaluator, slab_by_slab
from robustness.training.packs.stepping import Given, Numbers, Slab, Stepper
from robustness.training.packs.update import Update
from robustness.training.randomness import initialized_model
from robustness.training.results import Record, TrialResult
from robustness.training.settings import TrialSettings
from robustness.training.steps import autocast, check_loss

# Steps that the models of a slab take before those of the next one: so many, and of so many bytes of inputs, at most.
AT_ONCE, MOST_HELD = 16, 2**24


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
        self.decayed = self.models.elements_decayed() if self.training.decay == "matrices" else None
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
        self.slabs = self.context.slabs(len(rows))

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
        """Return the block's functions, with examples of what they are computed from: the first slab's."""
        first, slab = self.trials[0], self.slabs[0]
        training, task, context = self.training, self.task, self.context
        flat, batch = self.flat[slab], context.first_batch(task.train, first.batch_size)
        if not self.shared:
            batch = tuple(part.expand(len(flat), *part.shape).contiguous() for part in batch)
        evaluated = context.first_batch(max(task.splits.values(), key=len), context.evaluation_batch)
        held, state = ([one[slab] for one in all_rows.values()] for all_rows in (self.buffers, self.state))
        models, smoothing = self.models, training.label_smoothing
        gradients = models.gradients(shared=self.shared, label_smoothing=smoothing)
        scalars = self.columns.scalars(self.rule, 0, [1.0])[0]
        scale, clip = self.columns.scale, training.clip_norm
        update = Update.of(self.rule, scalars, scale, clip, self.sizes, self.decayed)
        code, told = code_of(first.optimizer), context.told
        how = (self.autocast, context.tolerance(training))
        return {
            "gradients": Wanted(
                ["gradients", self.shared, smoothing, training.precision],
                gradients,
                (flat, *batch, *held),
                *how,
                told,
            ),
            "evaluation": Wanted(
                ["evaluation", training.precision], models.evaluation(), (flat, *evaluated, *held), *how, told
            ),
            "update": Wanted(
                ["update", first.optimizer, code, *update.described()],
                update.function(),
                # a copy as gradients, since tensors that are one stay one
                (flat, flat.clone(), *state, *self.scalars(0)[0][0]),
                nullcontext(),
                context.tolerance(training),
                told=code is None,
            ),
        }

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
        batches = zip(self.feed.epoch(), self.scalars(before), strict=True)
        steps = ((*batch, numbers) for batch, numbers in batches)
        several = iter(lambda: list(islice(steps, self._at_once)), [])
        return torch.cat([self._several_steps(some) for some in several])

    @cached_property
    def _at_once(self) -> int:
        """How many steps a slab takes in a row."""
        if self.context.most is None:
            return 1
        inputs, _ = self.context.first_batch(self.task.train, 1)
        held = inputs.nbytes * self.trials[0].batch_size * len(self.seeds)
        return max(1, min(AT_ONCE, MOST_HELD // held))

    def _several_steps(self, steps: Sequence[tuple[Tensor, Tensor, Numbers]]) -> Tensor:
        """Take the same steps with each slab in turn, whose models then stay in the cache; return ``[steps, K]``."""
        parts = []
        for number, rows in enumerate(self.slabs):
            own = [self._given(rows, inputs, targets, numbers[number]) for inputs, targets, numbers in steps]
            parts.append(self._stepper.take(self._slab(rows), own))
        return torch.cat(parts, 1)

    def train_step(self, inputs: Tensor, targets: Tensor, numbers: Numbers) -> Tensor:
        """Take one step on what the feed gives, and return the losses ``[K]`` before it."""
        return self._several_steps([(inputs, targets, numbers)])[0]

    def _given(self, rows: slice, inputs: Tensor, targets: Tensor, columns: Sequence[Tensor]) -> Given:
        """Return what ``rows`` are given in a step."""
        if not self.shared:
            inputs, targets = inputs[self.which[rows]], targets[self.which[rows]]
        return inputs.contiguous(), targets.contiguous(), columns

    @cached_property
    def _stepper(self) -> Stepper:
        functions = self.functions
        return Stepper(functions["gradients"], functions["update"], self.models.written, self.autocast)

    def _slab(self, rows: slice) -> Slab:
        """Return views of ``rows``."""
        state = [tensor[rows] for tensor in self.state.values()]
        return Slab(self.flat[rows], state, {name: one[rows] for name, one in self.buffers.items()})

    def scalars(self, before: int) -> list[Numbers]:
        """Return the numbers of each step of an epoch."""
        first = self.trials[0]
        total = self.task.steps(first.epochs, first.batch_size)
        rates = [first.schedule.multiplier(before + step, total) for step in range(self.steps)]
        slabs = len(self.slabs)
        lasting = [one for one in (self.columns.scale, self.decayed) if one is not None]
        return [
            by_slab([*(value for value in scalars.values() if isinstance(value, Tensor)), *lasting], slabs)
            for scalars in self.columns.scalars(self.rule, before, rates)
        ]

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
        function = slab_by_slab(self.functions["evaluation"], self.slabs)
        evaluator = PackEvaluator(self.models, function, compiled=compiled)
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
