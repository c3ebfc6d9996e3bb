"""Preflight: one real step of the task's own model with each optimizer, before a sweep begins.

What would fail in every trial, or give a wrong number in all of them, is refused here in one line. Only a few
examples are used, on copies of the data; random generators are left as they were.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from robustness.optimizers import arguments
from robustness.tasks import Split, Task
from robustness.training.checks.factory import TaskUnfitError, check_factory, told
from robustness.training.checks.fit import check_classes, check_correct, check_loss_value, check_targets
from robustness.training.evaluation.constant import with_nothing
from robustness.training.process import one_thread
from robustness.training.randomness import generators_kept, initialized_model
from robustness.training.settings import TrialSettings
from robustness.training.steps import autocast, evaluating, optimizer_of, suit_gradients, trained
from robustness.training.trial import evaluate

EXAMPLES = 8
# Once so many seconds have passed, the remaining optimizers are built but take no step.
LONG = 1.5


class OptimizerUnfitError(ValueError):
    """An optimizer cannot train the task's model.

    Attributes:
        label: The optimizer's, as in the study.
    """

    def __init__(self, label: str, reason: str) -> None:
        super().__init__(reason)
        self.label = label


def preflight(task: Task, trials: Mapping[str, TrialSettings], device: str = "cpu") -> None:
    """Take one step of the task's model with each optimizer.

    Args:
        task: What is to be trained.
        trials: One trial of each optimizer, by its label.
        device: ``cpu`` or ``cuda``.

    Raises:
        TaskUnfitError: If the model, the loss, the targets, ``correct`` or the metric do not fit each other, or it is
            not known what the metric gives for knowing nothing.
        OptimizerUnfitError: If an optimizer cannot be built on the model, or cannot take a step.
    """
    if not trials:
        return
    started = time.monotonic()
    with one_thread(), generators_kept(device), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using a target size")  # refused below
        model = _task_step(task, next(iter(trials.values())), device)
        values = [parameter.detach().clone() for parameter in model.parameters()]
        for label, settings in trials.items():
            try:
                _optimizer_step(model, settings, whole=time.monotonic() - started < LONG)
            except Exception as error:  # an optimizer may be anyone's
                raise OptimizerUnfitError(label, told(error)) from error
            with torch.no_grad():
                for parameter, value in zip(model.parameters(), values, strict=True):
                    parameter.copy_(value)


def _task_step(task: Task, settings: TrialSettings, device: str) -> nn.Module:
    """Return a model with the gradients of one batch, having checked all that needs no optimizer."""
    check_factory(task)
    check_targets(task)
    part = _few(task).to(device)
    model = initialized_model(task, 0).to(device)
    with autocast(device, settings.training):
        try:
            _forward(part, model, min(settings.batch_size, EXAMPLES))
        except TaskUnfitError:
            raise
        except Exception as error:
            size = min(settings.batch_size, len(task.train))
            if size <= EXAMPLES:
                raise TaskUnfitError(told(error)) from error
            # the model may be made for the batches that it is to get
            part, model = _first(task, size).to(device), initialized_model(task, 0).to(device)
            try:
                _forward(part, model, size)
            except TaskUnfitError:
                raise
            except Exception as again:
                raise TaskUnfitError(told(again)) from again
        _judge(task, part, model, device)
    return model


def _judge(task: Task, part: Task, model: nn.Module, device: str) -> None:
    """Check that the metric gives a number for each split, and that its value of knowing nothing is known.

    A metric of a whole split may need more than a few examples, such as one of each class: what it refuses of
    ``part`` is asked of all.
    """
    if task.metric.source == "outputs":
        for name, split in part.splits.items():
            targets = split.targets.clone()
            problem = evaluate(part, model, split).problem
            _unchanged(targets, split.targets, f"the metric changes the targets in place ({name} split)")
            if problem is not None and task.metric.over == "split":
                problem = evaluate(task, model, task.splits[name].to(device, torch.float32)).problem
            if problem is not None:
                raise TaskUnfitError(f"{problem} ({name} split)")
    try:
        with_nothing(task)
    except ValueError as error:
        raise TaskUnfitError(str(error)) from error


def _few(task: Task) -> Task:
    return _first(task, EXAMPLES)


def _first(task: Task, count: int) -> Task:
    """Return the task with the first examples of each split, copied."""
    splits = {
        name: Split(split.inputs[:count].clone(), split.targets[:count].clone())
        for name, split in task.splits.items()
    }
    return replace(task, **splits)  # type: ignore[arg-type]


def _forward(task: Task, model: nn.Module, size: int) -> None:
    """Compute the loss of a training batch and its gradients, and evaluate all splits."""
    for name, split in task.splits.items():
        with evaluating(model), torch.no_grad():
            _evaluate(task, model, name, split)
    batch = Split(task.train.inputs[:size].clone(), task.train.targets[:size])
    outputs = model(task.prepared(batch.inputs))
    loss = task.loss(outputs, batch.targets)
    check_loss_value(task, outputs, batch.targets, loss)
    if not trained(model):
        raise TaskUnfitError("the model has no parameter with requires_grad, so there is nothing to train")
    if not loss.requires_grad:
        raise TaskUnfitError(
            "the loss is cut off from the model (by detach, no_grad or argmax): it has no gradient"
        )
    loss.backward()
    if all(parameter.grad is None for parameter in trained(model)):
        raise TaskUnfitError(
            "the loss gives no parameter of the model a gradient, so there is nothing to train"
        )


def _evaluate(task: Task, model: nn.Module, name: str, split: Split) -> None:
    inputs, targets = split.inputs.clone(), split.targets.clone()
    outputs = model(task.prepared(split.inputs))
    _unchanged(inputs, split.inputs, f"the model changes its inputs in place ({name} split)")
    check_classes(task, outputs)
    if task.correct is not None:
        check_correct(task, outputs, split.targets)
    check_loss_value(task, outputs, split.targets, task.loss(outputs, split.targets))
    _unchanged(targets, split.targets, f"the loss or correct changes the targets in place ({name} split)")


def _unchanged(before: Tensor, after: Tensor, what: str) -> None:
    if not torch.equal(torch.nan_to_num(before), torch.nan_to_num(after)):
        raise TaskUnfitError(f"{what}, so every evaluation would change the data; work on a copy")


def _optimizer_step(model: nn.Module, settings: TrialSettings, *, whole: bool) -> None:
    """Build the optimizer of a trial on ``model`` and take a step by the gradients that it holds."""
    arguments(settings.optimizer, settings.hyperparameters)
    optimizer = optimizer_of(model, settings)
    if whole:
        suit_gradients(optimizer)
        optimizer.step()
