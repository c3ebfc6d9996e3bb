"""Rounding that makes equal what is equal but for rounding: settings of runs, and errors that tie."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.task_metric import ERROR


def significant(values: ArrayLike) -> np.ndarray:
    """Round numbers to 12 significant digits, so that those which are equal but for rounding are equal.

    A rate that was computed, or written to text and read back, may miss another by its last bit; without this they
    would be two cells, each with a part of the seeds.

    Examples:
        >>> significant([0.1, 0.10000000000000002, 0.100000000001]).tolist()
        [0.1, 0.1, 0.100000000001]
    """
    numbers = np.asarray(values, dtype=float)
    distinct, index = np.unique(numbers, return_inverse=True)
    return np.array([float(f"{number:.12g}") for number in distinct])[index].reshape(numbers.shape)


def rounded(values: pd.Series, tasks: pd.Series, runs: pd.DataFrame) -> pd.Series:
    """Round errors, so that those which tie exactly also tie in floating point.

    To 12 decimals for a task that is judged by error, and to 12 significant digits by another metric, whose unit may
    be of any size.

    Args:
        values: The errors, means or differences of them.
        tasks: The task of each.
        runs: Output of `errors`.
    """
    decimals = values.round(12)
    if "metric" not in runs.columns:
        return decimals
    others = tasks.isin(runs.loc[runs["metric"] != ERROR.name, "task"])
    return decimals.mask(others, pd.Series(significant(values), index=values.index))
