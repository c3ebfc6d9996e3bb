"""One part of the verdict: does a candidate keep what one reference has and the other lacks?

A part compares a candidate with the *better* reference, within a margin, and asks first whether the *worse*
reference is worse at all: where the references do not differ there is nothing to keep, and no test of keeping it
could fail (assay sensitivity, ICH E10, 2000, section 1.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.statistics.welch import Array, Estimate, Sample, combine, difference
from analysis.task_metric import ERROR, TaskMetric

DEFAULT_GENERALIZATION = 0.002
"""The margin of E where none is declared: of error, or of D_w where a task is judged by another metric."""


@dataclass(frozen=True)
class Margins:
    """How much worse than the better reference still counts as kept; declared before the candidate is run.

    Attributes:
        robustness: For S and T, in their own unit: the share of what can be learned that is lost.
        generalization: For E, in the unit of the tasks' metric: for the error a proportion, 0.002 being 0.2
            percentage points of test error. The default stands for 0.002 of D_w where a task is judged by another
            metric.
        generalization_share: For E, as a share of each task's D_w, in place of `generalization`. Tasks with
            different metrics can only be judged together by a share.

    Raises:
        ValueError: A share is not between 0 and 1, `generalization` is not above 0, or both margins of E are given.
    """

    robustness: float = 0.05
    generalization: float = DEFAULT_GENERALIZATION
    generalization_share: float | None = None

    def __post_init__(self) -> None:
        for name in ("robustness", "generalization_share"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise ValueError(f"margins.{name} must be in (0, 1), but got {value}")
        if not 0 < self.generalization < math.inf:
            raise ValueError(f"margins.generalization must be above 0, but got {self.generalization}")
        if self.generalization_share is not None and self.generalization != DEFAULT_GENERALIZATION:
            raise ValueError(
                "margins.generalization_share must not stand beside a generalization of "
                f"{self.generalization}, but got {self.generalization_share}"
            )

    def for_metrics(self, metrics: Iterable[TaskMetric]) -> MarginInForce:
        """Return the margin of E for tasks with these metrics.

        Raises:
            ValueError: The tasks have different metrics, and `generalization` is in the unit of one; or all are
                judged by error, and it is not between 0 and 1.
        """
        kinds = sorted(set(metrics), key=str) or [ERROR]
        metric = kinds[0] if len(kinds) == 1 else None
        if self.generalization_share is not None:
            return MarginInForce(self.generalization_share, metric, in_shares=True)
        if metric == ERROR:
            if not self.generalization < 1:
                raise ValueError(
                    f"margins.generalization must be in (0, 1) for an error, but got {self.generalization}"
                )
        elif self.generalization == DEFAULT_GENERALIZATION:
            return MarginInForce(DEFAULT_GENERALIZATION, metric, in_shares=True)
        elif metric is None:
            raise ValueError(
                "margins must have generalization_share, a share of D_w, in place of generalization where tasks have "
                f"different metrics, but got generalization {self.generalization} for {', '.join(map(str, kinds))}"
            )
        return MarginInForce(self.generalization, metric, in_shares=False)


class MarginInForce(NamedTuple):
    """The margin of E for some tasks.

    Attributes:
        value: In the metric's unit, or a share of D_w.
        metric: The metric of the tasks; None where they have different ones.
        in_shares: Whether it is a share of D_w.
    """

    value: float
    metric: TaskMetric | None
    in_shares: bool


class Part(NamedTuple):
    """The three samples that a part compares on one endpoint (smaller is better), and its declared margin."""

    candidate: Sample
    better: Sample
    worse: Sample
    declared: float


class Tested(NamedTuple):
    """What the test of a part gives; arrays of the shape (...).

    Attributes:
        estimate: Candidate minus better reference.
        gap: Worse minus better reference.
        testable: Whether the gap is significantly above 0.
        margin: The declared one, or half the gap's lower bound where that is smaller; NaN if not testable.
        p_kept: One-sided p-value of "the candidate is worse by the margin or more"; NaN if not testable.
        p_lost: One-sided p-value of "the candidate is worse by the widest margin or less", which is the
            declared one, or half the gap's upper bound where that is smaller; NaN if not testable.
    """

    estimate: Estimate
    gap: Estimate
    testable: NDArray[np.bool_]
    margin: Array
    p_kept: Array
    p_lost: Array


def run_test(part: Part, alpha: float) -> Tested:
    """Test a part.

    The margin is cut to half the lower bound (one-sided, level 1 - alpha) of the gap between the references:
    a candidate half-way to the worse reference has kept nothing, however generous the declared margin is
    (the fixed-margin method, FDA 2016, Non-Inferiority Clinical Trials, section IV). The cut is cautious, so
    that a candidate may exceed the cut margin and yet not half the gap: "not kept" is therefore tested against half
    the gap's *upper* bound.
    """
    estimate = difference(part.candidate, part.better)
    gap = difference(part.worse, part.better)
    bound = np.round(gap.lower(alpha), 12)
    testable = bound > 0
    margin = np.where(testable, np.minimum(part.declared, bound / 2), np.nan)
    widest = np.minimum(part.declared, gap.upper(alpha) / 2)
    p_kept = np.where(testable, estimate.p_below(margin), np.nan)
    p_lost = np.where(testable, estimate.p_above(widest), np.nan)
    return Tested(estimate, gap, testable, margin, p_kept, p_lost)


def preserved(part: Part, level: float = 0.95) -> tuple[Array, Array, Array]:
    """Estimate the preserved fraction of the gap, `(worse - candidate) / (worse - better)`, over workloads.

    1: the candidate is as good as the better reference; 0: no better than the worse one. The interval is
    Fieller's (1954, https://doi.org/10.1111/j.2517-6161.1954.tb00159.x): all f for which
    `worse - candidate - f (worse - better)` is not significantly different from 0, with the degrees of freedom
    of that sum at the estimate. Unlike the delta method's interval, it is the whole line where the gap is hardly
    known.

    Args:
        part: The samples.
        level: Coverage of the two-sided interval.

    Returns:
        The fraction (NaN where the gap is 0), low and high; -inf and inf where the gap is not significantly
        different from 0 at this level.
    """
    saved = difference(part.worse, part.candidate)
    gap = difference(part.worse, part.better)
    known = np.abs(gap.value) > 1e-12
    fraction = np.where(known, saved.value / np.where(known, gap.value, 1.0), np.nan)
    at = np.where(known, fraction, 0.0)
    df = combine((1 - at, -1.0, at), (part.worse, part.candidate, part.better)).df
    t2 = np.square(Estimate(np.zeros(()), np.ones(()), df).upper((1 - level) / 2))
    shared = _variance(part.worse)
    a = gap.value**2 - t2 * gap.se**2
    b = saved.value * gap.value - t2 * shared
    c = saved.value**2 - t2 * saved.se**2
    bounded = (a > 0) & known
    root = np.sqrt(np.clip(b**2 - a * c, 0, None))
    divisor = np.where(bounded, a, 1.0)
    low = np.where(bounded, (b - root) / divisor, -np.inf)
    high = np.where(bounded, (b + root) / divisor, np.inf)
    return fraction, low, high


def _variance(sample: Sample) -> Array:
    return sample.var_of_mean.sum(axis=-1) / sample.mean.shape[-1] ** 2
