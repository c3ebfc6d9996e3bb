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
from robustness.tasks import Task
from robustness.tasks.splits.examples import Batch, tensors_of
from robustness.tasks.splits.generators import generators_kept
from robustness.training.checks.factory import TaskUnfitError, check_factory, same_numbers, told
from robustness.training.checks.fit import (
    batches_of,
    check_classes,
    check_correct,
    check_flatness,
    check_loss_value,
    check_reading,
    check_targets,
)
from robustness.training.evaluation.constant import with_nothing
from robustness.training.process import one_thread, warm_up
from robustness.training.randomness import initialized_model
from robustness.training.settings import TrialSettings
from robustness.training.steps import Stepper, autocast, evaluating, suit_gradients, trained
from robustness.training.trial import evaluate, evaluate_batches

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


def preflight(task: Task, trials: Mapping[str, TrialSettings], device: str = "cpu") -> bool:
    """Take one step of the task's model with each optimizer.

    Args:
        task: What is to be trained.
        trials: One trial of each optimizer, by its label.
        device: ``cpu`` or ``cuda``.

    Returns:
        Whether each of them has taken its step, or time was too short for some.

    Raises:
        TaskUnfitError: If the model, the loss, the targets, ``correct`` or the metric do not fit each other, or it is
            not known what the metric gives for knowing nothing.
        OptimizerUnfitError: If an optimizer cannot be built on the model, or cannot take a step.
    """
    if not trials:
        return True
    warm_up()  # what torch imports at a first step says nothing of an optimizer
    complete, started = True, time.monotonic()
    with one_thread(), generators_kept(device), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using a target size")  # refused below
        model, batch = _task_step(task, next(iter(trials.values())), device)
        values = [(parameter.detach().clone(), parameter.grad) for parameter in model.parameters()]
        for label, settings in trials.items():
            try:
                stepper = _stepper(task, model, settings, device)
                if complete := time.monotonic() - started < LONG:
                    suit_gradients(stepper.optimizer)
                    stepper.step(*batch)
            except Exception as error:  # an optimizer may be anyone's
                raise OptimizerUnfitError(label, told(error)) from error
            with torch.no_grad():
                for parameter, (value, gradient) in zip(model.parameters(), values, strict=True):
                    parameter.copy_(value)
                    parameter.grad = gradient
    return complete


def _task_step(task: Task, settings: TrialSettings, device: str) -> tuple[nn.Module, Batch]:
    """Return a model with the gradients of one batch, and the batch, having checked all that needs no optimizer."""
    check_factory(task)
    check_flatness(task, settings.flatness)
    part = _first(task, EXAMPLES).to(device)
    check_reading(part)
    check_targets(part)
    model = initialized_model(task, 0).to(device)
    with autocast(device, settings.training):
        try:
            batch = _forward(part, model, min(settings.batch_size, EXAMPLES))
        except TaskUnfitError:
            raise
        except Exception as error:
            size = min(settings.batch_size, len(task.train))
            if size <= EXAMPLES:
                raise TaskUnfitError(told(error)) from error
            # the model may be made for the batches that it is to get
            part, model = _first(task, size).to(device), initialized_model(task, 0).to(device)
            try:
                batch = _forward(part, model, size)
            except TaskUnfitError:
                raise
            except Exception as again:
                raise TaskUnfitError(told(again)) from again
        _judge(task, part, model, device)
    return model, batch


def _judge(task: Task, part: Task, model: nn.Module, device: str) -> None:
    """Check that the metric gives a number for each split, and that its value of knowing nothing is known.

    A metric of a whole split may need more than a few examples, such as one of each class: what it refuses of
    ``part`` is asked of all.
    """
    if task.metric.source == "outputs":
        for name, (inputs, targets) in batches_of(part).items():
            before = targets.clone()
            problem = evaluate_batches(part, model, [(inputs, targets)]).problem
            _unchanged(before, targets, f"the metric changes the targets in place ({name} split)")
            if problem is not None and task.metric.over == "split":
                problem = evaluate(task, model, task.splits[name].to(device, torch.float32)).problem
            if problem is not None:
                raise TaskUnfitError(f"{problem} ({name} split)")
    try:
        with_nothing(task)
    except ValueError as error:
        raise TaskUnfitError(str(error)) from error


def _first(task: Task, count: int) -> Task:
    """Return the task with the first examples of each split, copied."""
    train, val, test = (split.first(count) for split in task.splits.values())
    return replace(task, train=train, val=val, test=test)


def _forward(task: Task, model: nn.Module, size: int) -> Batch:
    """Compute the loss of a training batch and its gradients, and evaluate all splits; return the batch, prepared."""
    for name, batch in batches_of(task).items():
        with evaluating(model), torch.no_grad():
            _evaluate(task, model, name, batch)
    inputs, targets = task.train.first(size).whole()
    inputs = task.prepared(inputs)
    outputs = model(inputs)
    loss = task.loss(outputs, targets)
    check_loss_value(task, outputs, targets, loss)
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
    return inputs, targets


def _evaluate(task: Task, model: nn.Module, name: str, batch: Batch) -> None:
    inputs, targets = batch
    before, targets_before = [tensor.clone() for tensor in tensors_of(inputs)], targets.clone()
    outputs = model(task.prepared(inputs))
    for one, other in zip(before, tensors_of(inputs), strict=True):
        _unchanged(one, other, f"the model changes its inputs in place ({name} split)")
    check_classes(task, outputs, name, targets)
    if task.correct is not None:
        check_correct(task, outputs, targets)
    check_loss_value(task, outputs, targets, task.loss(outputs, targets))
    _unchanged(targets_before, targets, f"the loss or correct changes the targets in place ({name} split)")


def _unchanged(before: Tensor, after: Tensor, what: str) -> None:
    if not same_numbers(before, after):
        raise TaskUnfitError(f"{what}, so every evaluation would change the data; work on a copy")


def _stepper(task: Task, model: nn.Module, settings: TrialSettings, device: str) -> Stepper:
    """Build the optimizer of a trial on ``model``."""
    arguments(settings.optimizer, settings.hyperparameters)
    return Stepper(task, model, settings, autocast(device, settings.training))
