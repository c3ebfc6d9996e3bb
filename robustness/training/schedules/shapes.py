"""The shapes of schedules: functions of a step, of the number of steps and of the schedule's own keys.

Each returns the learning rate at ``step`` (counted from 0) of ``total_steps``, over the peak; a function of the
user's own has the same form. Keys are keyword-only; those without a default must be given.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

ROUNDING = 1e-12
"""How far, in proportion, a fraction of all steps may miss a whole step by rounding and still mean it."""


def constant(
    step: int, total_steps: int, *, warmup: float = 0.0, floor: float = 0.0, until: float = 1.0
) -> float:
    """Return 1 after the warm-up; ``floor`` and ``until`` have no effect."""
    return _risen(step, warmup * total_steps)


def cosine(
    step: int, total_steps: int, *, warmup: float = 0.0, floor: float = 0.0, until: float = 1.0
) -> float:
    """After the share ``x`` of the decay, return ``floor + (1 - floor) (1 + cos(pi x)) / 2``."""
    if step < warmup * total_steps:
        return _risen(step, warmup * total_steps)
    passed = _passed(step, total_steps, warmup, until)
    return floor + (1.0 - floor) * (1.0 + math.cos(math.pi * passed)) / 2


def linear(
    step: int, total_steps: int, *, warmup: float = 0.0, floor: float = 0.0, until: float = 1.0
) -> float:
    """After the share ``x`` of the decay, return ``1 - (1 - floor) x``."""
    if step < warmup * total_steps:
        return _risen(step, warmup * total_steps)
    return 1.0 - (1.0 - floor) * _passed(step, total_steps, warmup, until)


def polynomial(
    step: int, total_steps: int, *, power: float, warmup: float = 0.0, floor: float = 0.0, until: float = 1.0
) -> float:
    """After the share ``x`` of the decay, return ``floor + (1 - floor) (1 - x)^power``."""
    if power == 1:  # the same to the last bit
        return linear(step, total_steps, warmup=warmup, floor=floor, until=until)
    if step < warmup * total_steps:
        return _risen(step, warmup * total_steps)
    return floor + (1.0 - floor) * (1.0 - _passed(step, total_steps, warmup, until)) ** power


def stepwise(
    step: int, total_steps: int, *, milestones: Sequence[float], factor: float, warmup: float = 0.0
) -> float:
    """Return ``factor^n``, where ``n`` counts the milestones, fractions of all steps, that lie behind."""
    if step < warmup * total_steps:
        return _risen(step, warmup * total_steps)
    behind = sum(step >= milestone * total_steps * (1 - ROUNDING) for milestone in milestones)
    return factor**behind


def one_cycle(
    step: int,
    total_steps: int,
    *,
    warmup: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> float:
    """Follow ``torch.optim.lr_scheduler.OneCycleLR`` with cosines, whose ``pct_start`` is ``warmup``.

    Half a cosine from ``1 / div_factor`` up to 1, at step ``warmup total_steps - 1``, then half a cosine down to
    ``1 / (div_factor final_div_factor)`` at the last step.
    """
    start = 1.0 / div_factor
    top, last = warmup * total_steps - 1, total_steps - 1
    if top > 0 and step <= top:
        return _half_cosine(start, 1.0, step / top)
    return _half_cosine(1.0, start / final_div_factor, (step - top) / (last - top))


SHAPES: dict[str, Callable[..., float]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
    "polynomial": polynomial,
    "step": stepwise,
    "one-cycle": one_cycle,
}
"""The shapes by the names that a study file has for them."""


@cache
def keys_of(name: str) -> Mapping[str, Any]:
    """Return the keys of the shape ``name`` with their defaults; None for a key that must be given."""
    parameters = inspect.signature(SHAPES[name]).parameters.values()
    return {
        parameter.name: None if parameter.default is parameter.empty else parameter.default
        for parameter in parameters
        if parameter.kind is parameter.KEYWORD_ONLY
    }


def _risen(step: int, warmup_steps: float) -> float:
    """Return ``(step + 1) / w`` in a warm-up of ``w`` steps, and 1 after it."""
    return min(1.0, (step + 1) / warmup_steps) if step < warmup_steps else 1.0


def _passed(step: int, total_steps: int, warmup: float, until: float) -> float:
    """Return the share of the decay that lies behind, at most 1."""
    warmup_steps = warmup * total_steps
    return min(1.0, (step - warmup_steps) / (until * total_steps - warmup_steps))


def _half_cosine(first: float, last: float, passed: float) -> float:
    return last + (first - last) * (1.0 + math.cos(math.pi * passed)) / 2
