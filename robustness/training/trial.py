"""Training one trial: one model, one optimizer, step by step."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from robustness.tasks import Task
from robustness.tasks.splits.examples import Batch, Examples
from robustness.training.checkpoints import Checkpoint
from robustness.training.checks.fit import check_flatness
from robustness.training.checks.probe import hidden_state
from robustness.training.evaluation.tally import Evaluation, Tally
from robustness.training.feed import Feed
from robustness.training.flatness import flatness
from robustness.training.moments import moment_spreads
from robustness.training.randomness import initialized_model, own_draws
from robustness.training.results import MomentSpread, Record, TrialResult
from robustness.training.settings import TrialSettings
from robustness.training.steps import (
    Stepper,
    at_judged_weights,
    autocast,
    check_loss,
    evaluating,
    suit_gradients,
)

logger = logging.getLogger("robustness")

# In evaluation: the most predictions and the most numbers of inputs at once, and the fewest examples all the same.
EVALUATED_PREDICTIONS, EVALUATED_NUMBERS, FEWEST_EVALUATED = 4096, 2**20, 32


def examples_at_once(task: Task) -> int:
    """Return how many examples a single model is evaluated on at once."""
    inputs, targets = task.train.example_size
    return max(min(EVALUATED_PREDICTIONS // targets, EVALUATED_NUMBERS // inputs), FEWEST_EVALUATED)


def evaluate(task: Task, model: nn.Module, split: Examples) -> Evaluation:
    """Return what ``model`` gives on ``split`` in evaluation mode."""
    return evaluate_batches(task, model, split.batches(examples_at_once(task)))


@torch.inference_mode()
def evaluate_batches(task: Task, model: nn.Module, batches: Iterable[Batch]) -> Evaluation:
    """Return what ``model`` gives on all examples of ``batches`` in evaluation mode."""
    loss = right = weights = 0.0
    count, tally = 0, Tally(task.metric)
    with evaluating(model):
        for inputs, targets in batches:
            outputs = model(task.prepared(inputs))
            if weight := task.weight(targets):
                loss += float(task.loss(outputs, targets)) * weight
                weights += weight
            if task.correct is not None:
                right += float(task.correct(outputs, targets).double().mean()) * len(targets)
            count += len(targets)
            tally.add(outputs, targets)
    accuracy = task.accuracy(right, count, weights) if task.correct is not None else None
    return tally.result(loss / weights if weights else math.nan, accuracy)


def _first_broken_step(losses: list[Tensor], parameters: list[nn.Parameter]) -> int | None:
    """Return the step (from 1) of the first non-finite loss, or the last step if only parameters are non-finite.

    Parameters without a gradient are not looked at: what nothing uses may hold anything.
    """
    broken = (~torch.isfinite(torch.stack(losses))).nonzero()
    if len(broken):
        return int(broken[0]) + 1
    moving = [parameter.detach().isfinite().all() for parameter in parameters if parameter.grad is not None]
    return None if not moving or torch.stack(moving).all() else len(losses)


class Trainer:
    """One trial's model and optimizer, trained an epoch at a time.

    Args:
        task: With its data on ``device``, as ``dtype``.
        settings: What to train.
        device: Where the model lives.
        dtype: Of the model's parameters.
    """

    def __init__(self, task: Task, settings: TrialSettings, device: str, dtype: torch.dtype) -> None:
        self.task, self.settings = task, settings.completed()
        self.model = initialized_model(task, settings.seed).to(device, dtype)
        if any(isinstance(module, nn.Conv2d) for module in self.model.modules()):
            self.model = self.model.to(memory_format=torch.channels_last)
        self.autocast = autocast(device, settings.training)
        check_loss(task, settings.training)
        self.stepper = Stepper(task, self.model, self.settings, self.autocast)
        self.parameters, self.optimizer = self.stepper.parameters, self.stepper.optimizer
        self.feed = Feed(task, [settings.seed], settings.batch_size)
        self.total_steps = task.steps(settings.epochs, settings.batch_size)
        self.step = 0

    def epoch(self) -> list[Tensor]:
        """Train one epoch and return the loss of each step, before it was taken."""
        return [self.train_step(*batch) for batch in self.feed.epoch()]

    def evaluated(self) -> dict[str, Evaluation]:
        """Evaluate all splits."""
        with self.autocast, at_judged_weights(self.optimizer):
            return {name: evaluate(self.task, self.model, split) for name, split in self.task.splits.items()}

    def train_step(self, inputs: Any, targets: Tensor) -> Tensor:
        """Take one step on a batch, prepared for the model, and return its loss, before the step."""
        settings = self.settings
        multiplier = settings.schedule.multiplier(self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.hyperparameters["lr"] * multiplier
        loss = self.stepper.gradients(inputs, targets)
        if self.step == 0:
            suit_gradients(self.optimizer)
        self.stepper.step(inputs, targets)
        self.step += 1
        return loss.detach()

    def state(self) -> dict[str, Any]:
        """Return what a trial resumes from, except its batches, which its seed determines."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "buffers": dict(self.model.named_buffers()),  # those too that are no part of a state_dict
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any], epochs: int) -> None:
        """Resume from ``state``, saved after ``epochs``."""
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                buffer.copy_(state["buffers"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.feed.skip(epochs)

    def moment_spreads(self, epoch: int) -> list[MomentSpread]:
        """Return the spread of the second moment in each parameter, if the optimizer holds one."""
        held = {
            name: self.optimizer.state[parameter]["exp_avg_sq"]
            for name, parameter in self.model.named_parameters()
            if "exp_avg_sq" in self.optimizer.state.get(parameter, ())
        }
        return moment_spreads(epoch, held)


def train(
    task: Task,
    settings: TrialSettings,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpoint: Checkpoint | None = None,
) -> TrialResult:
    """Train one trial to its end, or to the end of the epoch in which it diverges.

    Losses are checked once an epoch, so that a GPU need not be waited for at every step; the step recorded for
    a divergence is exact all the same.

    Args:
        task: What is trained.
        settings: How.
        device: ``cpu`` or ``cuda``.
        dtype: Of the model's parameters.
        checkpoint: Where the trial is saved, and resumed from if it was saved before.

    Raises:
        ValueError: If an optimizer or a hyperparameter is not valid.
        TypeError: If the optimizer takes no such hyperparameter.
    """
    task = task.to(device, dtype)
    with own_draws(task, settings.seed, device):
        return _trained(task, settings, device, dtype, checkpoint)


def _trained(
    task: Task, settings: TrialSettings, device: str, dtype: torch.dtype, checkpoint: Checkpoint | None
) -> TrialResult:
    started = time.perf_counter()
    check_flatness(task, settings.flatness)
    if checkpoint is not None:
        hidden = hidden_state(task, initialized_model(task, settings.seed).to(device, dtype))
        if hidden is not None:
            logger.warning("%s, which a checkpoint cannot hold: the trial is not saved", hidden)
            checkpoint = None
    trainer = Trainer(task, settings, device, dtype)
    saved = checkpoint.load() if checkpoint is not None else None
    if saved is None:
        done, record = 0, Record()
        record.note(0, trainer.evaluated())
    else:
        done, record = saved["epoch"], Record.restored((saved["curves"], None, None, saved["spreads"]))
        trainer.restore(saved, done)
        started -= saved["seconds"]
    for epoch in range(done + 1, settings.epochs + 1):
        if record.ended:
            break
        before = trainer.step
        broken = _first_broken_step(trainer.epoch(), trainer.parameters)
        if broken is not None:
            record.stopped = before + broken
            break
        if settings.training.evaluated(epoch, settings.epochs):
            record.note(epoch, trainer.evaluated())
        if epoch in settings.diagnostics:
            record.spreads += trainer.moment_spreads(epoch)
        if checkpoint is not None and not record.ended and checkpoint.due(epoch, settings.epochs):
            seconds = time.perf_counter() - started
            curves, _, _, spreads = record.saved()
            kept = {"epoch": epoch, "seconds": seconds, "curves": curves, "spreads": spreads}
            checkpoint.save({**kept, **trainer.state()})
    if settings.flatness and not record.ended:
        with at_judged_weights(trainer.optimizer):
            record.flatness = flatness(task, trainer.model)
    return record.result(time.perf_counter() - started)
