"""Pareto fronts: what no other row beats in every column."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def pareto(table: pd.DataFrame, columns: Sequence[str], *, within: Sequence[str] = ()) -> pd.DataFrame:
    """Mark the rows that are not dominated; every column is better when it is smaller.

    A row is dominated where another one is at most as large in every column and smaller in one. Equal rows do
    not dominate each other.

    Args:
        table: Any table, such as `summary` or one row per searched exponent.
        columns: Two or more columns of numbers, such as test_error and sensitivity.
        within: Columns that name a group, such as task; fronts are taken within groups.

    Returns:
        The rows in their order, with the boolean column on_front. A row with a null in `columns` is not on
        the front, and dominates nothing.

    Raises:
        ValueError: Fewer than two columns, or one that the table does not have.
    """
    if isinstance(columns, str) or len(set(columns)) < 2:
        raise ValueError(f"columns must be at least 2 different names, but got {columns!r}")
    missing = [name for name in (*columns, *within) if name not in table.columns]
    if missing:
        raise ValueError(
            f"the table must have the columns {missing}, but has {sorted(map(str, table.columns))}"
        )
    points = table[list(columns)].to_numpy(dtype=float, na_value=np.nan)
    groups = table.groupby(list(within), dropna=False).indices.values() if within else [np.arange(len(table))]
    front = np.zeros(len(table), dtype=bool)
    for rows in groups:
        known = rows[np.isfinite(points[rows]).all(axis=1)]
        front[known[_not_dominated(points[known])]] = True
    return table.assign(on_front=front)


def _not_dominated(points: np.ndarray) -> np.ndarray:
    """Return the indices of the points on the front; each step removes all that one of its points dominates."""
    order = np.lexsort(points.T[::-1])
    front = []
    while len(order):
        # nothing after the first in this order can dominate it
        first = points[order[0]]
        rest = points[order]
        equal = (rest == first).all(axis=1)
        front.append(order[equal])
        order = order[~equal & (rest < first).any(axis=1)]
    return np.concatenate(front) if front else np.array([], dtype=np.int64)
