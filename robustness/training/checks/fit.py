"""Whether targets, outputs, loss and ``correct`` of a task fit each other."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from robustness.tasks import Task
from robustness.tasks.splits.examples import Batch, tensors_of
from robustness.tasks.splits.reading import DataError
from robustness.tasks.task import correct as class_correct
from robustness.tasks.task import counting, counts_classes, cross_entropy
from robustness.training.checks.factory import TaskUnfitError, same_numbers


def batches_of(task: Task) -> dict[str, Batch]:
    """Return each split of a part of a task as one batch.

    Raises:
        TaskUnfitError: If a dataset does not give it.
    """
    batches = {}
    for name, split in task.splits.items():
        try:
            batches[name] = split.whole()
        except DataError as error:
            raise TaskUnfitError(f"{error} ({name} split)") from error
    return batches


def check_reading(task: Task) -> None:
    """Check that each dataset gives the same examples again where the default generators are seeded the same.

    Args:
        task: A part of what is to be trained.

    Raises:
        TaskUnfitError: If one does not, or gives no batch: numbers would depend on what was read before.
    """
    for (name, once), again in zip(batches_of(task).items(), batches_of(task).values(), strict=True):
        one, other = ([*tensors_of(inputs), targets] for inputs, targets in (once, again))
        if len(one) != len(other) or not all(map(same_numbers, one, other)):
            raise TaskUnfitError(
                f"the dataset gives other examples each time that it is read ({name} split): what it draws at "
                "random must come from the default generators of torch, numpy or Python, which are seeded for it"
            )


def check_flatness(task: Task, wanted: bool) -> None:
    """Check that flatness, if it is ``wanted``, can be measured: it needs the training split as tensors.

    Raises:
        TaskUnfitError: If it cannot.
    """
    if wanted and not task.train.in_memory:
        raise TaskUnfitError(f"flatness needs tensors, but the train split of {task.name} is a DatasetSplit")


def check_targets(task: Task) -> None:
    """Check that targets are class numbers where ``correct`` compares class numbers.

    Raises:
        TaskUnfitError: If they are not.
    """
    if task.correct is not class_correct:
        return
    for name, (_, targets) in batches_of(task).items():
        if targets.is_floating_point():
            raise TaskUnfitError(
                f"the targets are {_kind(targets)} numbers, but correct compares class numbers ({name} split); "
                "give correct=None for a regression, or class numbers as torch.int64"
            )


def check_correct(task: Task, outputs: Any, targets: Tensor) -> None:
    """Check that ``correct`` can compare these outputs and gives a share for each example.

    Raises:
        TaskUnfitError: If it cannot.
    """
    assert task.correct is not None
    if task.correct is class_correct:
        usual = isinstance(outputs, Tensor) and outputs.dim() == 2 and targets.dim() == 1
        if not usual:
            raise TaskUnfitError(
                f"correct compares outputs [examples, classes] with targets [examples], but got outputs "
                f"{_shape(outputs)} and targets {_shape(targets)}; give a correct of the task's own, or correct=None"
            )
    right = task.correct(outputs, targets)
    if not isinstance(right, Tensor) or right.shape != targets.shape[:1]:
        raise TaskUnfitError(
            f"correct must return one value for each example, [{len(targets)}], but returned {_shape(right)}"
        )
    if not ((right.double() >= 0) & (right.double() <= 1)).all():
        raise TaskUnfitError(
            "correct must return values in [0, 1], whether or what share of an example is right"
        )


def check_classes(task: Task, outputs: Any, split: str, targets: Tensor) -> None:
    """Check that each class number of a batch of a split has an output.

    Raises:
        TaskUnfitError: If one has none.
    """
    by_number = task.correct is class_correct or counts_classes(task.loss)
    if not by_number or not isinstance(outputs, Tensor) or outputs.dim() < 2:
        return
    at_last = task.correct is class_correct or task.loss is cross_entropy or outputs.dim() == 2
    classes = outputs.shape[-1 if at_last else 1]
    targets = counting(task.loss, targets)
    if targets.is_floating_point() or not targets.numel():
        return
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= classes:
        raise TaskUnfitError(
            f"the model has {classes} outputs, so class numbers must be 0 to {classes - 1}, "
            f"but the {split} split has {low if low < 0 else high}"
        )


def check_loss_value(task: Task, outputs: Any, targets: Tensor, loss: Any) -> None:
    """Check that ``loss`` is one finite number, the mean over the examples.

    Raises:
        TaskUnfitError: If it is not.
    """
    if not isinstance(loss, Tensor):
        raise TaskUnfitError(f"the loss must be a tensor with one number, but is a {type(loss).__name__}")
    if loss.dim() != 0:
        raise TaskUnfitError(
            f"the loss must be one number, the mean over the batch, but has the shape {_shape(loss)}; "
            'a loss with reduction="none" gives one number for each example'
        )
    if not loss.is_floating_point():
        raise TaskUnfitError(f"the loss must be a floating-point number, but is {_kind(loss)}")
    if not math.isfinite(float(loss.detach())):
        raise TaskUnfitError(f"the loss is {float(loss.detach())} before the first step; it must be finite")
    if isinstance(outputs, Tensor) and len(outputs) == len(targets) > 1:
        _check_mean(task, outputs.detach(), targets, float(loss.detach()))


def _check_mean(task: Task, outputs: Tensor, targets: Tensor, loss: float) -> None:
    """Refuse a loss that compares each output with every target, or that is a sum."""
    try:
        with torch.no_grad():
            each = [
                float(task.loss(outputs[row : row + 1], targets[row : row + 1]))
                for row in range(len(targets))
            ]
    except Exception:  # a loss may be made for more examples than one
        return
    mean = sum(each) / len(each)
    if not math.isfinite(mean) or math.isclose(mean, loss, rel_tol=1e-2, abs_tol=1e-6):
        return
    if targets.is_floating_point() and outputs.shape != targets.shape:
        raise TaskUnfitError(
            f"the loss compares outputs {_shape(outputs)} with targets {_shape(targets)}, which torch spreads over "
            "each other; give both the same shape, as by targets.unsqueeze(1) or outputs.squeeze(1)"
        )
    if math.isclose(sum(each), loss, rel_tol=1e-3):
        raise TaskUnfitError("the loss is the sum over the batch, but must be the mean over its examples")


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _shape(value: object) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"
