"""How many seeds would settle a verdict: the power of the whole rule, by simulation at what was observed.

The margin is estimated from the same seeds as the difference, and all parts must hold at once, so that a formula for
one t-test would promise too much. Instead, the code that decides is run on normal draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from analysis.judgement.noninferiority import Part, run_test
from analysis.statistics.welch import Array, Sample

POWER = 0.8
MAX_SEEDS = 10_000
_DRAWS = 4000


def seeds_needed(parts: Sequence[Part], alpha: float) -> float:
    """Return the smallest number of seeds per workload with which all of `parts` are kept, with power 0.8.

    The observed means and variances are taken for the truth, and every optimizer has the same number of
    seeds. Parts are drawn independently. The simulated power (4,000 draws from a fixed seed) must exceed 0.8
    by two of its own standard errors.

    Args:
        parts: What must hold together.
        alpha: Level of each one-sided test.

    Returns:
        An integer of 2 or more; inf where an estimate lies at or beyond what its margin can at most become
        (the declared one or half the gap), so that no number of seeds promises it, or above 10,000.
    """
    if not all(_within_reach(part) for part in parts):
        return math.inf
    enough = POWER + 2 * math.sqrt(POWER * (1 - POWER) / _DRAWS)
    low, high = 1, 2
    while power(parts, high, alpha) < enough:
        low, high = high, 2 * high
        if low >= MAX_SEEDS:
            return math.inf
    while high - low > 1:
        middle = (low + high) // 2
        if power(parts, middle, alpha) < enough:
            low = middle
        else:
            high = middle
    return high


def power(parts: Sequence[Part], n: int, alpha: float, draws: int = _DRAWS, seed: int = 0) -> float:
    """Return the share of `draws` studies with `n` seeds per workload in which all of `parts` are kept."""
    generator = np.random.default_rng(seed)
    kept = np.ones(draws, dtype=bool)
    for part in parts:
        drawn = part._replace(
            candidate=draw(part.candidate, n, draws, generator),
            better=draw(part.better, n, draws, generator),
            worse=draw(part.worse, n, draws, generator),
        )
        kept &= run_test(drawn, alpha).p_kept < alpha  # false where not testable, since p is NaN there
    return float(kept.mean())


def draw(truth: Sample, n: int, draws: int, generator: np.random.Generator) -> Sample:
    """Draw the samples of `draws` studies with `n` normal values per workload, shape (draws, workloads)."""
    shape = (draws, truth.mean.shape[-1])
    planned = truth._replace(n=np.full(truth.mean.shape, float(n)))
    mean = truth.mean + generator.standard_normal(shape) * np.sqrt(planned.var_of_mean)
    var: Array = truth.var * generator.chisquare(n - 1, shape) / (n - 1)
    return Sample(mean, var, np.full(shape, float(n)), truth.cross_fitted)


def _within_reach(part: Part) -> bool:
    tested = run_test(part, 0.5)  # at level 1/2 the bounds are the estimates themselves
    limit = min(part.declared, float(tested.gap.value) / 2)
    return round(float(tested.estimate.value) - limit, 12) < 0
