"""Means over seeds with Student's t-intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy


def t_half_width(sd: pd.Series, n: pd.Series, level: float = 0.95) -> pd.Series:
    """Return `t_{(1 + level) / 2, n - 1} * sd / sqrt(n)`, NaN where n < 2.

    Args:
        sd: Sample standard deviations (n - 1 in the denominator).
        n: Numbers of values.
        level: Coverage of the two-sided interval.

    Returns:
        Half the width of the interval, in the units of `sd`.

    Raises:
        ValueError: `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), but got {level}")
    count = n.where(n > 1).astype(float)
    quantile = pd.Series(scipy.special.stdtrit((count - 1).to_numpy(), (1 + level) / 2), index=sd.index)
    return quantile * sd / np.sqrt(count)


def mean_interval(data: pd.DataFrame, value: str, by: Sequence[str], level: float = 0.95) -> pd.DataFrame:
    """Average a column within groups, with a t-interval.

    Args:
        data: One row per value.
        value: The column to average; nulls are left out and do not count in n.
        by: The columns that name a group; null is a group of its own.
        level: Coverage of the interval.

    Returns:
        One row per group, sorted by `by`, with the columns of `by`, mean, sd, n, low and high. With n = 1
        there is a mean, and sd, low and high are NaN; with n = 0 all four are.
    """
    groups = data.groupby(list(by), dropna=False, sort=True)[value]
    table = groups.agg(mean="mean", sd="std", n="count").reset_index()
    half = t_half_width(table["sd"], table["n"], level)
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)
