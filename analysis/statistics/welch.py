"""Stratified Welch: differences of means over workloads, with unequal variances and few seeds.

Workloads count equally, and seeds are compared within their workload only: pooling the seeds of different
workloads would take the spread between workloads for noise, and more seeds on one for more evidence about the others.
Everything here works on arrays with workloads on the last axis, so that a simulation decides thousands of
studies at once with the same code. Degrees of freedom: Satterthwaite 1946
(https://doi.org/10.2307/3002019); unequal variances: Welch 1947 (https://doi.org/10.1093/biomet/34.1-2.28).
Optimizers share their seeds, and yet are compared as independent samples: where seeds agree across optimizers, that
is conservative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Sample(NamedTuple):
    """What is known of one optimizer and endpoint; all arrays have the shape (..., workloads).

    Attributes:
        mean: Means over seeds.
        var: Sample variances over seeds (n - 1 in the denominator).
        n: Numbers of seeds, at least 2.
        cross_fitted: Whether every value was measured from a cell that the *other* seeds chose, as S and T are.
            The values of a study then share that choice, and their spread understates its variance.
    """

    mean: Array
    var: Array
    n: Array
    cross_fitted: bool = False

    @property
    def var_of_mean(self) -> Array:
        """The variance of the mean: `var / n`, and `var (1 / n + 1 / (n - 1))` for cross-fitted values.

        The latter is Nadeau and Bengio's for n folds of which one is measured and n - 1 choose (2003,
        https://doi.org/10.1023/A:1024068626366).
        """
        return self.var * (1 / self.n + (1 / (self.n - 1) if self.cross_fitted else 0.0))


class Estimate(NamedTuple):
    """An estimated mean over workloads.

    Attributes:
        value: The estimate.
        se: Its standard error.
        df: Satterthwaite's degrees of freedom; where the standard error is 0 they are 1 and have no effect.
    """

    value: Array
    se: Array
    df: Array

    def lower(self, alpha: float) -> Array:
        """Return the lower bound of the one-sided interval of level 1 - alpha."""
        return self.value - scipy.special.stdtrit(self.df, 1 - alpha) * self.se

    def upper(self, alpha: float) -> Array:
        """Return the upper bound of the one-sided interval of level 1 - alpha."""
        return self.value + scipy.special.stdtrit(self.df, 1 - alpha) * self.se

    def p_below(self, bound: Array) -> Array:
        """Return the one-sided p-value of the hypothesis that the truth is `bound` or more.

        Without any spread the estimate is taken for the truth: 0 if it lies below the bound, else 1.
        """
        # differences of accuracies that tie exactly also tie in floating point
        distance = np.round(self.value - bound, 12)
        spread = np.where(self.se > 0, self.se, 1.0)
        below = scipy.special.stdtr(self.df, distance / spread)
        return np.where(self.se > 0, below, np.where(distance < 0, 0.0, 1.0))

    def p_above(self, bound: Array) -> Array:
        """Return the one-sided p-value of the hypothesis that the truth is `bound` or less."""
        return Estimate(-self.value, self.se, self.df).p_below(-bound)


def combine(weights: Sequence[Array | float], samples: Sequence[Sample]) -> Estimate:
    """Estimate the mean over workloads of a weighted sum of optimizers.

    With W workloads, `value = sum_i c_i sum_w mean_iw / W` and `SE^2 = sum_i c_i^2 sum_w v_iw / W^2`, v being
    the variance of a mean; the degrees of freedom are Satterthwaite's, `SE^4 / sum of term^2 / (n - 1)` over
    the terms of SE^2.

    Args:
        weights: One c for each sample, a number or an array of the shape (...).
        samples: Independent samples of the shape (..., workloads).
    """
    value: Array = np.zeros(())
    total: Array = np.zeros(())
    squares: Array = np.zeros(())
    for weight, sample in zip(weights, samples, strict=True):
        factor = np.asarray(weight, dtype=float)
        terms = (factor**2)[..., None] * sample.var_of_mean / sample.mean.shape[-1] ** 2
        value = value + factor * sample.mean.mean(axis=-1)
        total = total + terms.sum(axis=-1)
        squares = squares + (terms**2 / (sample.n - 1)).sum(axis=-1)
    df = np.where(squares > 0, total**2 / np.where(squares > 0, squares, 1.0), 1.0)
    return Estimate(value, np.sqrt(total), df)


def difference(first: Sample, second: Sample) -> Estimate:
    """Estimate the mean over workloads of `first - second`."""
    return combine((1.0, -1.0), (first, second))
