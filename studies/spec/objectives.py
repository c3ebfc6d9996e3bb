"""What a point of a search is scored by: the mean of one of ``analysis``'s metrics over seeds, and its interval.

A point is scored on rows of its own surface and those of the references, never on other points': its score does
not hang on what else was tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.metrics.sensitivity import mean_sensitivity, sensitivity
from analysis.metrics.transfer_regret import mean_transfer_regret, transfer_regret
from analysis.metrics.width import width_at
from analysis.statistics.intervals import mean_interval
from analysis.trials import CELL, grid_runs


@dataclass(frozen=True)
class Objective:
    """A score.

    Attributes:
        title: As tables and figures name it.
        direction: ``minimize`` or ``maximize``.
        of: Computes it from the output of ``analysis.trials.errors`` and of ``selected_cells``; one row per label.
        worst: What a point gets that learned nowhere: the score, or None for the chance error.
    """

    title: str
    direction: Literal["minimize", "maximize"]
    of: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
    worst: float | None


def _best_error(runs: pd.DataFrame, selected: pd.DataFrame) -> pd.DataFrame:
    at_best = grid_runs(runs).merge(selected.loc[selected["seeds"] > 0, CELL], on=CELL)
    return mean_interval(at_best, "val_error", ["task", "label"]).rename(columns={"mean": "val_error"})


def _width(runs: pd.DataFrame, selected: pd.DataFrame) -> pd.DataFrame:
    # against the best of all: a surface that is flat but bad is wide only by its own standard
    table = width_at(runs, selected).rename(columns={"width_global": "width"})
    return table.assign(low=float("nan"), high=float("nan"))


OBJECTIVES: dict[str, Objective] = {
    "val_error": Objective("validation error at the best cell", "minimize", _best_error, None),
    "sensitivity": Objective(
        "sensitivity S", "minimize", lambda runs, _: mean_sensitivity(sensitivity(runs)), 1.0
    ),
    "transfer_regret": Objective(
        "transfer regret T", "minimize", lambda runs, _: mean_transfer_regret(transfer_regret(runs)), 1.0
    ),
    "width": Objective("width W (decades)", "maximize", _width, 0.0),
}
"""The scores by name."""
