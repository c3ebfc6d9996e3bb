"""Training one trial: one model, one optimizer, step by step."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from robustness.optimizers import build
from robustness.tasks import Split, Task
from robustness.training.flatness import flatness
from robustness.training.moments import moment_spreads
from robustness.training.randomness import batches, initialized_model
from robustness.training.results import CurvePoint, MomentSpread, TrialResult, concluded, with_measures
from robustness.training.settings import TrialSettings

EVALUATION_BATCH = 4096


@torch.inference_mode()
def evaluate(task: Task, model: nn.Module, split: Split) -> tuple[float, float | None]:
    """Return mean loss and accuracy (None where the task has none) of ``model`` in evaluation mode."""
    model.eval()
    loss, right = 0.0, 0.0
    for start in range(0, len(split), EVALUATION_BATCH):
        targets = split.targets[start : start + EVALUATION_BATCH]
        outputs = model(split.inputs[start : start + EVALUATION_BATCH])
        loss += float(task.loss(outputs, targets)) * len(targets)
        if task.correct is not None:
            right += float(task.correct(outputs, targets).double().mean()) * len(targets)
    model.train()
    return loss / len(split), right / len(split) if task.correct is not None else None


def _curve_points(task: Task, model: nn.Module, epoch: int) -> list[CurvePoint]:
    return [CurvePoint(epoch, name, *evaluate(task, model, split)) for name, split in task.splits.items()]


def _first_broken_step(losses: list[Tensor], parameters: list[nn.Parameter]) -> int | None:
    """Return the step (from 1) of the first non-finite loss, or the last if only parameters are not finite."""
    broken = (~torch.isfinite(torch.stack(losses))).nonzero()
    if len(broken):
        return int(broken[0]) + 1
    finite = torch.stack([parameter.detach().isfinite().all() for parameter in parameters]).all()
    return None if finite else len(losses)


class Trainer:
    """One trial's model and optimizer, trained an epoch at a time.

    Args:
        task: With its data on ``device``, as ``dtype``.
        settings: What to train.
        device: Where the model lives.
        dtype: Of the model's parameters.
    """

    def __init__(self, task: Task, settings: TrialSettings, device: str, dtype: torch.dtype) -> None:
        self.task, self.settings = task, settings
        self.model = initialized_model(task, settings.seed).to(device, dtype)
        if any(isinstance(module, nn.Conv2d) for module in self.model.modules()):
            self.model = self.model.to(memory_format=torch.channels_last)
        self.parameters = list(self.model.parameters())
        self.optimizer = build(settings.optimizer, self.parameters, **settings.hyperparameters)
        if "fused" in self.optimizer.defaults:  # torch's own classes: their fastest form
            for group in self.optimizer.param_groups:
                group["fused"] = True
        self.batches = batches(task, settings.seed, settings.batch_size)
        self.total_steps = task.steps(settings.epochs, settings.batch_size)
        self.step = 0

    def epoch(self) -> list[Tensor]:
        """Train one epoch and return the loss of each step, before it was taken."""
        train = self.task.train
        return [
            self.train_step(train.inputs[indices], train.targets[indices])
            for indices in next(self.batches).to(train.inputs.device)
        ]

    def train_step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """Take one step on a batch and return its loss, before the step."""
        settings = self.settings
        multiplier = settings.schedule.multiplier(self.step, self.total_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.hyperparameters["lr"] * multiplier
        self.optimizer.zero_grad()
        loss = self.task.loss(self.model(inputs), targets)
        loss.backward()
        if settings.grad_scale != 1:
            # the gradient is scaled, not the loss: the loss that is watched keeps its meaning
            gradients = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
            torch._foreach_mul_(gradients, settings.grad_scale)
        self.optimizer.step()
        self.step += 1
        return loss.detach()

    def moment_spreads(self, epoch: int) -> list[MomentSpread]:
        """Return the spread of the second moment in each parameter, if the optimizer holds one."""
        held = {
            name: self.optimizer.state[parameter]["exp_avg_sq"]
            for name, parameter in self.model.named_parameters()
            if "exp_avg_sq" in self.optimizer.state[parameter]
        }
        return moment_spreads(epoch, held)


def train(
    task: Task, settings: TrialSettings, *, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> TrialResult:
    """Train one trial to its end, or to the end of the epoch in which it diverges.

    Whether a loss is finite is looked at once an epoch, so that a GPU is not waited for at every step; the
    step that is recorded is exact all the same.

    Raises:
        ValueError: If an optimizer or a hyperparameter is not valid.
        TypeError: If the optimizer takes no such hyperparameter.
    """
    started = time.perf_counter()
    task = task.to(device, dtype)
    trainer = Trainer(task, settings, device, dtype)
    curves = _curve_points(task, trainer.model, 0)
    stopped: int | None = None
    spreads: list[MomentSpread] = []
    for epoch in range(1, settings.epochs + 1):
        before = trainer.step
        broken = _first_broken_step(trainer.epoch(), trainer.parameters)
        if broken is not None:
            stopped = before + broken
            break
        curves += _curve_points(task, trainer.model, epoch)
        if epoch in settings.diagnostics:
            spreads += trainer.moment_spreads(epoch)
    measured = flatness(task, trainer.model) if settings.flatness and stopped is None else {}
    return with_measures(concluded(curves, stopped, time.perf_counter() - started), measured, spreads)
