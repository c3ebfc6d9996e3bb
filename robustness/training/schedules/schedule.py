"""A learning-rate schedule: a shape with its numbers, or a function of the user's own with its options."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from robustness.training.schedules.shapes import SHAPES, keys_of
from robustness.user_code.names import is_own, resolve

OWN = "package.module:function"


@dataclass(frozen=True)
class Schedule:
    """A learning-rate schedule, as a multiple of the peak.

    A key that is None takes the default of the named schedule, if it has that key.

    Attributes:
        name: ``constant``; ``cosine`` (half a cosine from 1 to ``floor``); ``linear`` (a line from 1 to ``floor``);
            ``polynomial`` (a power of that line); ``step`` (a factor at each milestone); ``one-cycle`` (half a cosine
            up, half a cosine down); or ``package.module:function``, a function of the user's own: ``function(step,
            total_steps, **options)`` returns the multiple, a finite number from 0 on.
        warmup: Fraction of all steps, at the start, in which the rate rises to its peak, in [0, 1): linearly, from
            one step's share on; for ``one-cycle``, whose default is 0.3 and not 0, by half a cosine.
        floor: Where a decay ends, as a fraction of the peak, in [0, 1]; default 0.
        until: Fraction of all steps at which a decay ends, after which the rate is constant; in (``warmup``, 1];
            default 1.
        power: Of ``polynomial``, above 0; 1 is ``linear``.
        milestones: Of ``step``: fractions of all steps in (0, 1), increasing, the first not below ``warmup``.
        factor: What ``step`` multiplies the rate by at each of them, in (0, 1).
        div_factor: Of ``one-cycle``: the peak over the first rate, at least 1; default 25.
        final_div_factor: Of ``one-cycle``: the first rate over the last one, at least 1; default 10,000.
        options: Of a function of the user's own; a mapping, kept as pairs in the order of their names.
    """

    name: str = "constant"
    warmup: float | None = None
    floor: float | None = None
    until: float | None = None
    power: float | None = None
    milestones: Sequence[float] | None = None
    factor: float | None = None
    div_factor: float | None = None
    final_div_factor: float | None = None
    options: Mapping[str, Any] | tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        given = sorted(dict(self.options).items())
        options = tuple((key, tuple(value) if isinstance(value, list) else value) for key, value in given)
        object.__setattr__(self, "options", options)
        if is_own(self.name):
            keys: Mapping[str, Any] = {}
        elif self.name not in SHAPES:
            raise ValueError(
                f"schedule name must be one of {', '.join(SHAPES)} or {OWN}, but got {self.name!r}"
            )
        else:
            keys = keys_of(self.name)
            if options:
                raise ValueError(f"schedule options must be those of a {OWN}, but got name={self.name!r}")
        self._fill(keys)
        for key in keys:
            _check(key, getattr(self, key), self.warmup or 0.0)

    def _fill(self, keys: Mapping[str, Any]) -> None:
        """Set the keys that are not given to their defaults, and refuse those that the schedule does not have."""
        for key in SHAPE_KEYS:
            value = getattr(self, key)
            if key not in keys and value is not None:
                allowed = ", ".join(keys) or "options"
                raise ValueError(
                    f"schedule {key} must not be given for {self.name} (its keys: {allowed}), but got {value!r}"
                )
            if key in keys and value is None:
                if keys[key] is None:
                    raise ValueError(f"schedule {key} must be given for {self.name}")
                object.__setattr__(self, key, keys[key])
            elif value is not None and key == "milestones":
                object.__setattr__(self, key, tuple(value))

    def values(self) -> dict[str, Any]:
        """Return what decides the schedule, by key: its name, and every key or option that it has."""
        if is_own(self.name):
            return {"name": self.name, **dict(self.options)}
        has = keys_of(self.name)
        return {"name": self.name, **{key: getattr(self, key) for key in SHAPE_KEYS if key in has}}

    def multiplier(self, step: int, total_steps: int) -> float:
        """Return the learning rate at ``step`` (counted from 0) of ``total_steps``, over the peak.

        ``robustness.training.schedules.shapes`` has the formulas.

        Raises:
            ValueError: If a function of the user's own cannot be imported, or returns no finite number from 0 on.
        """
        given = self.values()
        name = given.pop("name")
        if not is_own(name):
            return SHAPES[name](step, total_steps, **given)
        value = resolve(name)(step, total_steps, **given)
        try:
            fits = math.isfinite(value) and value >= 0
        except TypeError:
            fits = False
        if not fits:
            raise ValueError(
                f"schedule {name} must return a finite number from 0 on, but returned {value!r} at step {step} "
                f"of {total_steps}"
            )
        return float(value)


SHAPE_KEYS = tuple(field.name for field in fields(Schedule) if field.name not in ("name", "options"))
"""The keys that named schedules have, each at least one of them."""

_RANGES: dict[str, tuple[str, Any]] = {
    "warmup": ("in [0, 1)", lambda value: 0 <= value < 1),
    "floor": ("in [0, 1]", lambda value: 0 <= value <= 1),
    "power": ("positive and finite", lambda value: 0 < value < math.inf),
    "factor": ("in (0, 1)", lambda value: 0 < value < 1),
    "div_factor": ("at least 1 and finite", lambda value: 1 <= value < math.inf),
    "final_div_factor": ("at least 1 and finite", lambda value: 1 <= value < math.inf),
}


def _check(key: str, value: Any, warmup: float) -> None:
    """Raise unless a key of a schedule has a value that is allowed."""
    if key == "until":
        if not warmup < value <= 1:
            raise ValueError(f"schedule until must be in (warmup, 1], but got until={value}, warmup={warmup}")
    elif key == "milestones":
        rising = all(first < second for first, second in pairwise(value))
        if not value or not rising or not all(0 < one < 1 and one >= warmup for one in value):
            raise ValueError(
                "schedule milestones must be increasing fractions of all steps in (0, 1), none below warmup, but "
                f"got milestones={list(value)}, warmup={warmup}"
            )
    else:
        rule, holds = _RANGES[key]
        if not holds(value):
            raise ValueError(f"schedule {key} must be {rule}, but got {value}")
