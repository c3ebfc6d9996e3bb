"""A label's slice of the sensitivity surface as matrices, as a heatmap draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.measures import measure
from analysis.metrics.reference_gap import reference_gaps
from analysis.task_metric import ERROR, TaskMetric, task_metrics
from analysis.trials import errors


@dataclass(frozen=True)
class Panel:
    """One label's cells on a plane of lr and `y`, as matrices of y by lr.

    Attributes:
        lrs: The learning rates of the label's grid, ascending.
        levels: The values of the y axis, ascending, null last; they are drawn as categories.
        values: Mean accuracy in percent, or the mean of the task's metric in the unit that is shown; NaN where there
            is none.
        diverged: Share of the seeds that diverged, NaN where there is none.
        best: Row and column of the selected cell, or None where it is not on this plane.
        whole: What a `delta` of 1 is in the unit of the values: 100 %, or D_w where a task is not judged by error.
        direction: Whether smaller values are better, 'min', or larger ones, 'max'.
    """

    lrs: np.ndarray
    levels: list[float]
    values: np.ndarray
    diverged: np.ndarray
    best: tuple[int, int] | None
    whole: float = 100.0
    direction: Literal["min", "max", ""] = "max"

    @property
    def lost(self) -> np.ndarray:
        """The cells where every seed diverged."""
        return self.diverged >= 1

    def near_best(self, delta: float) -> np.ndarray:
        """The cells that are not worse than the best one by more than `delta`, a share of `whole`."""
        if self.best is None:
            return np.zeros_like(self.lost)
        with np.errstate(invalid="ignore"):
            score = -self.values if self.direction == "min" else self.values
            return (score >= score[self.best] - self.whole * (delta + 1e-11)) & ~self.lost


def panel_of(
    cells: pd.DataFrame,
    y: str,
    metric: str,
    lrs: np.ndarray,
    levels: Sequence[float],
    judged: TaskMetric = ERROR,
    d_w: float = 1.0,
) -> Panel:
    """Lay out one label's rows of `analysis.surface` as matrices; cells without a row are NaN.

    Args:
        cells: The label's rows.
        y: The column of the y axis.
        metric: The column of the values.
        lrs: The learning rates of the columns, ascending.
        levels: The values of y of the rows.
        judged: The task's metric.
        d_w: D_w where the task is not judged by error.
    """
    shown = measure(metric, judged)
    rows = pd.Index(levels).get_indexer(pd.Index(cells[y]))
    columns = np.searchsorted(lrs, cells["lr"])
    values = np.full((len(levels), len(lrs)), np.nan)
    diverged = values.copy()
    values[rows, columns] = shown.factor * cells[metric].to_numpy()
    diverged[rows, columns] = cells["diverged"].to_numpy()
    best = np.flatnonzero(cells["best"])
    at = (int(rows[best[0]]), int(columns[best[0]])) if len(best) else None
    return Panel(lrs, list(levels), values, diverged, at, shown.factor * d_w, shown.best)


def panels_of(
    trials: pd.DataFrame, cells: pd.DataFrame, labels: list[str], y: str, metric: str
) -> dict[str, Panel]:
    """Lay out the panel of each label of one task.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, which hold the learning rates of the grids.
        cells: Output of `analysis.surface` over lr and `y`, of one task.
        labels: The labels, in the order of the panels.
        y: The column of the y axis.
        metric: The column of the values, as `analysis.surface` named it.
    """
    (judged,) = task_metrics(cells).values()
    d_w = 1.0 if judged == ERROR else _d_w(trials, str(cells["task"].iloc[0]))
    grid = trials[(trials["role"] == "grid") & (trials["task"] == cells["task"].iloc[0])]
    levels = _levels(cells, labels, y)
    panels = {}
    for label in labels:
        # every lr of the label, or its neighbours would spread over one that has no result on this plane
        lrs = np.sort(grid.loc[grid["label"] == label, "lr"].unique().astype(float))
        own = cells[cells["label"] == label]
        panels[label] = panel_of(own, y, metric, lrs, levels[label], judged, d_w)
    return panels


def _d_w(trials: pd.DataFrame, task: str) -> float:
    gaps = reference_gaps(errors(trials[trials["task"] == task]))
    return float(gaps["d_w"].clip(lower=0).sum())


def _levels(cells: pd.DataFrame, labels: list[str], y: str) -> dict[str, list[float]]:
    """Return each label's values of y: those of all labels, or its own if they would fill less than half of them."""
    own = {label: np.sort(cells.loc[cells["label"] == label, y].unique()).tolist() for label in labels}
    common = np.sort(cells[y].unique()).tolist()
    filled = np.mean([len(levels) for levels in own.values()]) / len(common)
    return own if filled < 0.5 else dict.fromkeys(labels, common)
