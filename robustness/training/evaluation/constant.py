"""The value of knowing nothing: what a task's metric gives for the best constant output on the training split.

The best constant is the class log-frequencies for torch's cross-entropy of class numbers, the mean of the targets for
its mean squared error, and otherwise the output that minimizes the task's loss. Frequencies, the mean, and the losses
that they have are exact. A minimum, and a metric with a function, are taken over ``MOST_EXAMPLES`` training examples,
evenly spaced, or so many that their outputs are ``MOST_NUMBERS`` numbers, where the split has more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustness.tasks import Task
from robustness.tasks.splits.generators import generators_kept
from robustness.tasks.task import counting, counts_classes, cross_entropy
from robustness.training.evaluation.tally import MetricError, Tally
from robustness.training.randomness import initialized_model
from robustness.training.steps import evaluating

MOST_EXAMPLES, MOST_NUMBERS = 2**16, 2**22
ITERATIONS = 200
# An output of this size or more has run away: the loss has no least value.
FAR = 1e12
# A minimum is one if as many iterations again lower the loss by less than this share of it (or of 1).
SETTLED = 1e-3


def with_nothing(task: Task) -> Task:
    """Return the task with its metric's value of knowing nothing filled in; nothing is computed for the error.

    Raises:
        ValueError: If it is not given and cannot be computed; one line that says what to give.
    """
    if task.chance_metric is not None:
        return task
    return replace(task, metric=replace(task.metric, nothing=knowing_nothing(task)))


def knowing_nothing(task: Task) -> float:
    """Return what the metric of ``task``, one of loss or outputs, gives for the best constant output.

    Random generators are left as they were, and the same task always gives the same number.

    Raises:
        ValueError: If there is no such output, or the metric gives no finite number for it.
    """
    try:
        with generators_kept():
            value = _value(task)
        if not math.isfinite(value):
            raise MetricError(f"it is {value}")
        return value
    except Exception as error:  # loss, model and metric may be anyone's
        kind = "" if isinstance(error, MetricError) else f"{type(error).__name__}: "
        why = " ".join(f"{kind}{error}".split())
        raise ValueError(
            f"what knowing nothing gives by the metric {task.metric.name!r} cannot be computed ({why}); "
            "give the task's metric the number as nothing=, as in dataclasses.replace(LOSS, nothing=1.0)"
        ) from error


def _value(task: Task) -> float:
    metric = task.metric
    if metric.source != "outputs":
        value = metric.derived(_least_loss(task), None)
        assert value is not None
        return value
    shape = _output_shape(task)
    targets = _part(task.train.all_targets(), math.prod(shape))
    constant = _best_constant(task, shape, targets)
    tally = Tally(metric)
    tally.add(_repeated(constant, len(targets)).clone(), targets)
    result = tally.result(math.nan, None)
    if result.metric is None:
        raise MetricError(result.problem)
    return result.metric


def _least_loss(task: Task) -> float:
    """Return the least mean loss of a constant output."""
    if (frequencies := _frequencies(task)) is not None:
        return float(torch.special.entr(frequencies).sum())
    if _is_squared_error(task.loss):
        targets = task.train.all_targets().double()
        return float((targets - targets.mean(0)).square().mean())
    shape = _output_shape(task)
    return _minimum(task, shape, _part(task.train.all_targets(), math.prod(shape)))[1]


def _best_constant(task: Task, shape: torch.Size, targets: Tensor) -> Tensor:
    """Return the best constant output for one example, in float64."""
    if (frequencies := _frequencies(task)) is not None:
        at = 0 if task.loss is not cross_entropy else len(shape) - 1
        scores = torch.full((shape[at],), torch.finfo(torch.float64).tiny, dtype=torch.float64)
        scores[: len(frequencies)] = frequencies.clamp_min(torch.finfo(torch.float64).tiny)
        aligned = [-1 if place == at else 1 for place in range(len(shape))]
        return scores.log().view(aligned).expand(shape)
    if _is_squared_error(task.loss):
        return task.train.all_targets().double().mean(0).expand(shape)
    return _minimum(task, shape, targets)[0]


def _frequencies(task: Task) -> Tensor | None:
    """Return how often each class is a target of the training split, if the loss is torch's cross-entropy."""
    loss = task.loss
    if not counts_classes(loss):
        return None
    targets = counting(loss, task.train.flat_targets())
    if targets.is_floating_point():
        return None
    if isinstance(loss, nn.CrossEntropyLoss | nn.NLLLoss):
        smoothed = isinstance(loss, nn.CrossEntropyLoss) and loss.label_smoothing > 0
        if loss.weight is not None or smoothed:
            return None
    counts = torch.bincount(targets).double()
    return counts / counts.sum()


def _is_squared_error(loss: object) -> bool:
    return loss is functional.mse_loss or isinstance(loss, nn.MSELoss)


def _minimum(task: Task, shape: torch.Size, targets: Tensor) -> tuple[Tensor, float]:
    """Return the constant output of the least loss at ``targets``, in float64, and that loss.

    Raises:
        MetricError: If the loss has no least value, or none that is found.
    """

    def loss(constant: Tensor) -> Tensor:
        return task.loss(_repeated(constant, len(targets)), targets)

    found = []
    for start in _starts(shape, targets):
        constant, least = _descended(loss, start)
        again, settled = _descended(loss, constant)
        near = math.isfinite(settled) and float(again.abs().max()) < FAR
        if near and least - settled < SETTLED * max(1.0, abs(settled)):
            found.append((settled, again))
    if not found:
        raise MetricError("no constant output with a least loss was found")
    settled, constant = min(found, key=lambda one: one[0])
    return constant, settled


def _starts(shape: torch.Size, targets: Tensor) -> Iterator[Tensor]:
    """Yield where to start from: 0, and where outputs are like targets, their mean and their median."""
    yield torch.zeros(shape, dtype=torch.float64)
    if targets.is_floating_point() and targets.shape[1:] == shape:
        yield targets.mean(0)
        yield targets.median(0).values


def _descended(loss: Callable[[Tensor], Tensor], start: Tensor) -> tuple[Tensor, float]:
    """Return where L-BFGS comes to from ``start``, and the loss there; never a worse place than ``start``."""
    constant = start.clone().requires_grad_()
    solver = torch.optim.LBFGS([constant], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        value = loss(constant)
        value.backward()
        return value

    solver.step(closure)
    with torch.no_grad():
        before, after = float(loss(start)), float(loss(constant))
    return (constant.detach(), after) if after <= before or math.isnan(before) else (start, before)


def _output_shape(task: Task) -> torch.Size:
    """Return the shape of a model's output for one example."""
    model = initialized_model(task, 0)
    with evaluating(model), torch.no_grad():
        outputs = model(task.prepared(task.train.first(1).whole()[0]))
    if not isinstance(outputs, Tensor):
        raise MetricError(f"the model's output is a {type(outputs).__name__} and no tensor")
    return outputs.shape[1:]


def _part(targets: Tensor, numbers: int) -> Tensor:
    """Return evenly spaced ``targets``, so many that outputs of ``numbers`` for each are not too many.

    Numbers of floating point are returned in float64.
    """
    most = min(len(targets), MOST_EXAMPLES, max(1, MOST_NUMBERS // max(1, numbers)))
    rows = torch.arange(most) * len(targets) // most
    part = targets if most == len(targets) else targets[rows]
    return part.double() if part.is_floating_point() else part


def _repeated(constant: Tensor, count: int) -> Tensor:
    return constant.expand(count, *constant.shape)
