"""The grid of a study: learning rates, weight decays and gradient scales, which all optimizers share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, TypeAdapter

from studies.spec.values import MAX_POINTS, Decays, Number, Positive, Rates, Scales, Strict, rounded

_RATES: TypeAdapter[tuple[float, ...]] = TypeAdapter(Rates)
_RATE: TypeAdapter[float] = TypeAdapter(Positive)


def rate_or_rates(value: object) -> float | tuple[float, ...] | None:
    """Return an optimizer's ``lr``: one centre, or a list of its own."""
    if value is None:
        return None
    return _RATES.validate_python(value) if isinstance(value, list | tuple) else _RATE.validate_python(value)


class LogRange(Strict):
    """Learning rates around a centre, evenly spaced on a logarithmic axis.

    Attributes:
        decades: From the smallest to the largest, in powers of ten.
        points: How many; a single one is the centre.
    """

    decades: Annotated[Number, Field(gt=0, le=100)]
    points: Annotated[int, Field(strict=True, ge=1, le=MAX_POINTS)]

    def at(self, centre: float, index: int) -> float:
        """Return the learning rate at ``index``; an index below 0, or of ``points`` and more, is beyond the range."""
        step = self.decades / max(self.points - 1, 1)
        start = -self.decades / 2 if self.points > 1 else 0.0
        return rounded(centre * 10 ** (start + index * step))

    def values(self, centre: float) -> tuple[float, ...]:
        """Return ``centre * 10**e`` for ``e`` from ``-decades/2`` to ``decades/2``.

        Raises:
            ValueError: If a value is too large or too small for a float, or two are the same.
        """
        rates = tuple(self.at(centre, index) for index in range(self.points))
        if not (rates[0] > 0 and math.isfinite(rates[-1])):
            raise ValueError(f"gives learning rates from {rates[0]:g} to {rates[-1]:g}, beyond floats")
        if len(set(rates)) < len(rates):
            raise ValueError(f"gives equal learning rates; {self.points} points lie too close together")
        return rates


def _range_or_rates(value: object) -> LogRange | tuple[float, ...] | None:
    if value is None:
        return None
    if isinstance(value, Mapping | LogRange):
        return LogRange.model_validate(value)
    if not isinstance(value, list | tuple):
        raise ValueError("must be {decades: …, points: …} or a list of learning rates")
    return _RATES.validate_python(value)


class Grid(Strict):
    """The axes that all optimizers share.

    Attributes:
        lr: A range around each optimizer's own centre, or a list of learning rates for all. It may be left out if
            every optimizer has a list of its own.
        weight_decay: A value or a list. It may be left out if every optimizer has its own.
        grad_scale: What the loss gradient is multiplied by before the optimizer sees it.
    """

    lr: Annotated[LogRange | tuple[float, ...] | None, BeforeValidator(_range_or_rates)] = None
    weight_decay: Decays | None = None
    grad_scale: Scales = (1.0,)
