"""What a training function reports of an epoch, checked: splits by name, each with a loss."""

from __future__ import annotations

import math
import operator
import reprlib
from collections.abc import Mapping
from difflib import get_close_matches
from numbers import Real
from typing import Any

import numpy as np
from torch import Tensor

from robustness.tasks import Metric
from robustness.training.evaluation.tally import Evaluation

SPLITS = ("train", "val", "test")
KEYS = ("loss", "accuracy", "metric")


class ReportError(ValueError):
    """What was reported is not what must be reported; the message says what, in one line."""


def epoch_of(value: Any, epochs: int) -> int:
    """Return the number of an epoch.

    Raises:
        ReportError: If it is no whole number from 0 to ``epochs``.
    """
    try:
        epoch = operator.index(value)
    except TypeError:
        epoch = -1
    if isinstance(value, bool) or not 0 <= epoch <= epochs:
        raise ReportError(
            f"reports epoch {reprlib.repr(value)}: must be a whole number from 0 (the initialization) to {epochs}"
        )
    return epoch


def evaluations_of(splits: Mapping[str, Any], metric: Metric) -> dict[str, Evaluation]:
    """Return what was reported of each split.

    Raises:
        ReportError: If a split or a key is not known, a loss is missing, or a value is no number.
    """
    given = {name: values for name, values in splits.items() if values is not None}
    if not given:
        raise ReportError(f"reports no split: allowed: {', '.join(SPLITS)}")
    for name in given:
        _check_known("split", name, SPLITS)
    return {name: _evaluation(name, given[name], metric) for name in SPLITS if name in given}


def _evaluation(split: str, values: Any, metric: Metric) -> Evaluation:
    if not isinstance(values, Mapping):
        raise ReportError(
            f"reports {reprlib.repr(values)} of the {split} split: must be a mapping such as "
            '{"loss": 0.7, "accuracy": 0.9}'
        )
    for key in values:
        _check_known(f"key of the {split} split", key, KEYS)
    if "loss" not in values:
        raise ReportError(f"reports no loss of the {split} split")
    loss, accuracy, value = (
        None if values.get(key) is None else _number(f"{key} of the {split} split", values[key])
        for key in KEYS
    )
    if loss is None:
        raise ReportError(f"reports None as the loss of the {split} split: must be a number")
    problem = None
    if accuracy is not None and not 0 <= accuracy <= 1:
        problem = f"the training function reports an accuracy of {accuracy:g}: must be a fraction from 0 to 1"
        accuracy = None
    if metric.source != "reported":
        value = metric.derived(loss, accuracy)
    elif value is not None and not math.isfinite(value):
        problem, value = (
            f"the training function reports {value} as the metric {metric.name!r}: must be a finite number",
            None,
        )
    return Evaluation(loss, accuracy, value, problem)


def lacking(evaluation: Evaluation | None, split: str, metric: Metric) -> str | None:
    """Return what the last report lacks of a split by which trials are judged; None where it is whole."""
    if evaluation is None:
        return f"reports no {'validation' if split == 'val' else split} split after the last epoch"
    if evaluation.metric is None and math.isfinite(evaluation.loss):
        key = "accuracy" if metric.source == "accuracy" else "metric"
        return f"reports no {key} of the {split} split, which the metric {metric.name!r} needs"
    return None


def _check_known(what: str, word: Any, allowed: tuple[str, ...]) -> None:
    if word not in allowed:
        near = get_close_matches(str(word), allowed, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ReportError(
            f"reports {reprlib.repr(word)}, no known {what}: allowed: {', '.join(allowed)}{hint}"
        )


def _number(what: str, value: Any) -> float:
    """Return a number, or a tensor or an array of one, as a float."""
    one: Any = value
    if isinstance(value, Tensor | np.ndarray):
        count = value.numel() if isinstance(value, Tensor) else value.size
        one = value.item() if count == 1 else None
    if isinstance(one, bool | np.bool_) or not isinstance(one, Real):
        shown = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else reprlib.repr(value)
        raise ReportError(f"reports {shown} as the {what}: must be one number")
    return float(one)
