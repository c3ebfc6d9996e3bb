"""A label's slice of the sensitivity surface as matrices, as a heatmap draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Panel:
    """One label's cells on a plane of lr and `y`, as matrices of y by lr.

    Attributes:
        lrs: The learning rates of the label's grid, ascending.
        levels: The values of the y axis, ascending, null last; they are drawn as categories.
        percent: Mean accuracy, NaN where there is none.
        diverged: Share of the seeds that diverged, NaN where there is none.
        best: Row and column of the selected cell, or None where it is not on this plane.
    """

    lrs: np.ndarray
    levels: list[float]
    percent: np.ndarray
    diverged: np.ndarray
    best: tuple[int, int] | None

    @property
    def lost(self) -> np.ndarray:
        """The cells where every seed diverged."""
        return self.diverged >= 1

    def near_best(self, delta: float) -> np.ndarray:
        """The cells whose accuracy is not below the best one's by more than `delta` (a fraction)."""
        if self.best is None:
            return np.zeros_like(self.lost)
        with np.errstate(invalid="ignore"):
            return (self.percent >= self.percent[self.best] - 100 * delta - 1e-9) & ~self.lost


def panel_of(cells: pd.DataFrame, y: str, metric: str, lrs: np.ndarray, levels: Sequence[float]) -> Panel:
    """Lay out one label's rows of `analysis.surface` as matrices; cells without a row are NaN.

    Args:
        cells: The label's rows.
        y: The column of the y axis.
        metric: The column of the accuracies.
        lrs: The learning rates of the columns, ascending.
        levels: The values of y of the rows.
    """
    rows = pd.Index(levels).get_indexer(pd.Index(cells[y]))
    columns = np.searchsorted(lrs, cells["lr"])
    percent = np.full((len(levels), len(lrs)), np.nan)
    diverged = percent.copy()
    percent[rows, columns] = 100 * cells[metric].to_numpy()
    diverged[rows, columns] = cells["diverged"].to_numpy()
    best = np.flatnonzero(cells["best"])
    at = (int(rows[best[0]]), int(columns[best[0]])) if len(best) else None
    return Panel(lrs, list(levels), percent, diverged, at)


def panels_of(
    trials: pd.DataFrame, cells: pd.DataFrame, labels: list[str], y: str, metric: str
) -> dict[str, Panel]:
    """Lay out the panel of each label of one task.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, which hold the learning rates of the grids.
        cells: Output of `analysis.surface` over lr and `y`, of one task.
        labels: The labels, in the order of the panels.
        y: The column of the y axis.
        metric: The column of the accuracies.
    """
    grid = trials[(trials["role"] == "grid") & (trials["task"] == cells["task"].iloc[0])]
    levels = _levels(cells, labels, y)
    panels = {}
    for label in labels:
        # every lr of the label, or its neighbours would spread over one that has no result on this plane
        lrs = np.sort(grid.loc[grid["label"] == label, "lr"].unique().astype(float))
        panels[label] = panel_of(cells[cells["label"] == label], y, metric, lrs, levels[label])
    return panels


def _levels(cells: pd.DataFrame, labels: list[str], y: str) -> dict[str, list[float]]:
    """Return each label's values of y: those of all labels, or its own if they would fill less than half of them."""
    own = {label: np.sort(cells.loc[cells["label"] == label, y].unique()).tolist() for label in labels}
    common = np.sort(cells[y].unique()).tolist()
    filled = np.mean([len(levels) for levels in own.values()]) / len(common)
    return own if filled < 0.5 else dict.fromkeys(labels, common)
