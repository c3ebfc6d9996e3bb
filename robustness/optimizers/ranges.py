"""Which values a hyperparameter may have, and the check that names the one that is wrong.

A class declares the ranges of the hyperparameters it has alone (``RuleOptimizer.ranges``); those that many share are
``SHARED``. A hyperparameter without a range, as of a user's own optimizer, is not checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, TypeAlias

from torch import Tensor


@dataclass(frozen=True)
class Range:
    """A set of numbers.

    Attributes:
        text: The rule as messages and docstrings put it, such as ``>= 0``.
        holds: Whether a number keeps it.
        optional: Whether None is allowed as well.
    """

    text: str
    holds: Callable[[Any], bool]
    optional: bool = False

    def or_none(self) -> Range:
        """Return the same range with None in it."""
        return replace(self, optional=True)


Ranges: TypeAlias = Mapping[str, Range | tuple[str, ...]]
"""By hyperparameter: the range of a number, or the strings to choose from."""

NOT_NEGATIVE = Range(">= 0", lambda x: 0 <= x < math.inf)
AT_LEAST_ONE = Range(">= 1", lambda x: 1 <= x < math.inf)
FRACTION = Range("in [0, 1]", lambda x: 0 <= x <= 1)
DECAY_RATE = Range("in [0, 1)", lambda x: 0 <= x < 1)
FINITE = Range("finite", lambda x: -math.inf < x < math.inf)

SCOPES = ("model", "tensor")

SHARED: Ranges = {
    "lr": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "eps": NOT_NEGATIVE,
    "beta1": DECAY_RATE,
    "beta2": DECAY_RATE,
    "momentum": DECAY_RATE,
    "scope": SCOPES,
}


def validate(hyper: Mapping[str, Any], own: Ranges | None = None) -> None:
    """Check every hyperparameter that has a range.

    Args:
        hyper: Values by name; ``betas``, where given, is checked as ``beta1`` and ``beta2``.
        own: Ranges beside ``SHARED``.

    Raises:
        ValueError: If a value is out of its range; the message names parameter, rule and value.
        TypeError: If a value that must be a number is not one.
    """
    values, ranges = dict(hyper), {**SHARED, **(own or {})}
    if "betas" in values:
        if not isinstance(values["betas"], (tuple, list)) or len(values["betas"]) != 2:
            raise ValueError(f"betas must be a pair (beta1, beta2), but got {values['betas']!r}")
        values["beta1"], values["beta2"] = values["betas"]
    for name, value in values.items():
        if name in ranges:
            _check(name, value, ranges[name])
    if values.get("nesterov") and values.get("momentum") == 0:
        raise ValueError("nesterov requires momentum > 0, but got momentum=0")


def _check(name: str, value: Any, allowed: Range | tuple[str, ...]) -> None:
    if isinstance(allowed, tuple):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, but got {value!r}")
        return
    if value is None and allowed.optional:
        return
    if isinstance(value, bool) or not isinstance(value, (Real, Tensor)):
        raise TypeError(f"{name} must be a number, but got {value!r}")
    if not allowed.holds(value):
        raise ValueError(f"{name} must be {allowed.text}, but got {value}")
