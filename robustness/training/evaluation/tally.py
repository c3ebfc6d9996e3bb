"""A metric of a split, collected batch by batch: of one model, or of many that are evaluated together."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from robustness.tasks import Metric


class MetricError(ValueError):
    """A metric gave something else than what it must give; the message says what, in one line."""


@dataclass(frozen=True)
class Evaluation:
    """A model on a split.

    Attributes:
        loss: The mean.
        accuracy: As a fraction; None where the task has none.
        metric: The value of the task's metric; None where it gave no finite number.
        problem: What the metric gave instead; None where it gave a number.
    """

    loss: float
    accuracy: float | None
    metric: float | None = None
    problem: str | None = None


@dataclass
class Tally:
    """A metric of one model on one split.

    Attributes:
        metric: The task's.
        total: The sum of the values of the examples so far.
        count: How many examples these are.
        outputs: All outputs so far, where the metric is of a whole split.
        targets: Likewise.
        problem: Why there is no value; what comes after it is not looked at.
    """

    metric: Metric
    total: float = 0.0
    count: int = 0
    outputs: list[Tensor] = field(default_factory=list)
    targets: list[Tensor] = field(default_factory=list)
    problem: str | None = None

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """Take the outputs ``[N, ...]`` for the next ``targets`` ``[N, ...]``."""
        if self.metric.source != "outputs" or self.problem is not None:
            return
        if self.metric.over == "split":
            if isinstance(outputs, Tensor):
                self.outputs.append(outputs)
                self.targets.append(targets)
            else:
                kind = type(outputs).__name__
                self.problem = (
                    f"{_name(self.metric)} of a whole split needs outputs in one tensor, but got a {kind}"
                )
            return
        try:
            self.total += float(example_values(self.metric, outputs, targets).double().sum())
            self.count += len(targets)
        except MetricError as error:
            self.problem = str(error)

    def result(self, loss: float, accuracy: float | None) -> Evaluation:
        """Return what is known of the model after the last batch.

        Args:
            loss: Mean over the split.
            accuracy: Likewise.
        """
        value = self.metric.derived(loss, accuracy)
        try:
            if self.metric.source == "outputs" and self.problem is None:
                value = self._value()
        except MetricError as error:
            self.problem = str(error)
        return Evaluation(loss, accuracy, None if self.problem else value, self.problem)

    def _value(self) -> float:
        if self.metric.over == "split":
            return split_value(
                self.metric, _joined(self.metric, self.outputs), _joined(self.metric, self.targets)
            )
        return finite(self.metric, self.total / self.count)


def add_to_all(tallies: Sequence[Tally], outputs: Tensor, targets: Tensor) -> None:
    """Take the outputs ``[K, N, ...]`` of K models for the same ``targets``, each into its tally.

    The values of examples are computed for all models at once where the function allows it, else one by one.
    """
    metric = tallies[0].metric
    if metric.source != "outputs":
        return
    whole = not any(tally.problem for tally in tallies)
    values = _values_of_all(metric, outputs, targets) if whole else None
    if values is not None:
        for tally, total in zip(tallies, values.double().sum(-1).tolist(), strict=True):
            tally.total += total
            tally.count += len(targets)
        return
    for tally, own in zip(tallies, outputs, strict=True):
        tally.add(own, targets)


def _values_of_all(metric: Metric, outputs: Tensor, targets: Tensor) -> Tensor | None:
    """Return a metric's values ``[K, N]`` for the examples of all models, or None if it cannot be asked for all."""
    if metric.function is None or metric.over == "split":
        return None
    try:
        values = vmap(metric.function, in_dims=(0, None))(_whole(outputs), targets)
    except Exception:  # for one model it may work, or say what is wrong
        return None
    if isinstance(values, Tensor) and values.shape == (len(outputs), len(targets)):
        return values
    return None


def example_values(metric: Metric, outputs: Tensor, targets: Tensor) -> Tensor:
    """Return a metric's value for each example, ``[N]``.

    Raises:
        MetricError: If it gives something else.
    """
    values = _called(metric, outputs, targets, "one value for each example")
    if not isinstance(values, Tensor) or values.shape != targets.shape[:1]:
        raise MetricError(
            f"{_name(metric)} must return one value for each example, [{len(targets)}], "
            f"but returned {_shape(values) if isinstance(values, Tensor) else _shown(values)}"
        )
    return values


def split_value(metric: Metric, outputs: Tensor, targets: Tensor) -> float:
    """Return the metric of all ``outputs`` of a split.

    Raises:
        MetricError: If it gives no finite number.
    """
    return finite(metric, _called(metric, outputs, targets, "one finite number"))


def _joined(metric: Metric, parts: list[Tensor]) -> Tensor:
    """Return the tensors of all batches as one; a single one is not copied."""
    if len({part.shape[1:] for part in parts}) > 1:
        raise MetricError(
            f"{_name(metric)} of a whole split needs batches of one shape, but some examples are longer than others; "
            'over="examples" takes each batch by itself'
        )
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def finite(metric: Metric, value: Any) -> float:
    """Return what a metric gave as a number.

    Raises:
        MetricError: If it is none, or not finite.
    """
    single = isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex()
    number = float(value) if single or isinstance(value, Real) else float("nan")
    if number - number != 0:  # NaN or infinite
        raise MetricError(f"{_name(metric)} must return one finite number, but returned {_shown(value)}")
    return number


def _called(metric: Metric, outputs: Tensor, targets: Tensor, what: str) -> Any:
    assert metric.function is not None
    try:
        return metric.function(_whole(outputs), targets)
    except Exception as error:  # a metric may be anyone's
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise MetricError(f"{_name(metric)} must return {what}, but raised {text}") from error


def _whole(outputs: Tensor) -> Tensor:
    """Return outputs of half precision in single precision, which numpy and scikit-learn take."""
    return outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs


def _name(metric: Metric) -> str:
    return f"metric {metric.name!r}"


def _shown(value: Any) -> str:
    if isinstance(value, Tensor):
        return str(value.item()) if value.numel() == 1 else _shape(value)
    return " ".join(reprlib.repr(value).split())


def _shape(value: Tensor) -> str:
    return f"the shape {list(value.shape)}"
