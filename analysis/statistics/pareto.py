"""Pareto fronts: which points no other one dominates, and how much of what could be gained the front dominates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

DIRECTIONS = ("minimize", "maximize")


def on_front(points: pd.DataFrame, objectives: Mapping[str, str]) -> pd.Series:
    """Find the points that no other one dominates, with a direction for every objective.

    Args:
        points: One row per point, with the columns that `objectives` names.
        objectives: 'minimize' or 'maximize' for every column that counts.

    Returns:
        True where a point is on the front, with the index of `points`; with one objective, on the best points.

    Raises:
        ValueError: A column is missing, or a direction has another name.
    """
    costs = pd.DataFrame(_costs(points, objectives), index=points.index, columns=list(objectives))
    if len(objectives) == 1:
        only = costs.iloc[:, 0]
        return only == only.min()
    return pareto(costs, list(objectives))["on_front"]


def hypervolume(
    points: pd.DataFrame, objectives: Mapping[str, str], best: Mapping[str, float], worst: Mapping[str, float]
) -> float:
    """Measure the share of the box between the best and the worst values that is dominated by the points.

    Args:
        points: One row per point, with the columns that `objectives` names.
        objectives: 'minimize' or 'maximize' for every column that counts.
        best: A value for each objective that no point can exceed.
        worst: A value for each objective; a point that is not better than all of them adds nothing.

    Returns:
        0 where no point beats the worst, 1 where one has all the best values.

    Raises:
        ValueError: A column or a bound is missing, a direction has another name, or a best value is not
            better than the worst.
    """
    names = list(objectives)
    bounds = pd.DataFrame([dict(best), dict(worst)])
    ideal, reference = _costs(bounds, objectives)
    if not (ideal < reference).all():
        raise ValueError(f"best must be better than worst in {', '.join(names)}, but got {best} and {worst}")
    costs = _costs(points, objectives)
    scaled = (costs[np.isfinite(costs).all(axis=1)] - ideal) / (reference - ideal)
    return _dominated(np.clip(scaled, 0, 1))


def hypervolume_history(
    points: pd.DataFrame, objectives: Mapping[str, str], best: Mapping[str, float], worst: Mapping[str, float]
) -> pd.DataFrame:
    """Compute the hypervolume of the first 1, 2, … points, in the order of the rows.

    Args:
        points: As for `hypervolume`.
        objectives: As for `hypervolume`.
        best: As for `hypervolume`.
        worst: As for `hypervolume`.

    Returns:
        One row per point, with the columns points (how many) and hypervolume.

    Raises:
        ValueError: As for `hypervolume`.
    """
    counts = range(1, len(points) + 1)
    shares = [hypervolume(points.iloc[:count], objectives, best, worst) for count in counts]
    return pd.DataFrame({"points": list(counts), "hypervolume": shares})


def _costs(points: pd.DataFrame, objectives: Mapping[str, str]) -> np.ndarray:
    """Return the objectives' columns so that less is better."""
    missing = [name for name in objectives if name not in points.columns]
    if missing or not objectives:
        raise ValueError(
            f"objectives must name columns, but {missing} are not among {sorted(map(str, points.columns))}"
        )
    wrong = [direction for direction in objectives.values() if direction not in DIRECTIONS]
    if wrong:
        raise ValueError(f"objectives must be one of {', '.join(DIRECTIONS)}, but got {wrong[0]!r}")
    signs = np.array([1.0 if direction == "minimize" else -1.0 for direction in objectives.values()])
    return points[list(objectives)].to_numpy(dtype=float, na_value=np.nan) * signs


def _dominated(costs: np.ndarray) -> float:
    """Return the volume between the points and the corner (1, …, 1), by slices along the last objective."""
    if not len(costs):
        return 0.0
    if costs.shape[1] == 1:
        return float(1 - costs.min())
    ordered = costs[np.argsort(costs[:, -1], kind="stable")]
    ends: Sequence[float] = [*ordered[1:, -1], 1.0]
    slices = (
        (end - ordered[index, -1]) * _dominated(ordered[: index + 1, :-1])
        for index, end in enumerate(ends)
        if end > ordered[index, -1]
    )
    return float(sum(slices))


def pareto(table: pd.DataFrame, columns: Sequence[str], *, within: Sequence[str] = ()) -> pd.DataFrame:
    """Mark the rows that are not dominated, where smaller is better in every column.

    A row is dominated if another one is at most as large in every column and smaller in at least one. Equal rows do
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
