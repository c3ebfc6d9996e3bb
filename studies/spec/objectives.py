"""What a point of a search is scored by: the mean of one of ``analysis``'s metrics over seeds, and its interval.

A point is scored on rows of its own surface and those of the references, never on other points': its score does
not hang on what else was tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.intervals import mean_interval
from analysis.references import reference_gaps
from analysis.selection import select_cells, test_error_at
from analysis.sensitivity import mean_sensitivity, sensitivity_of
from analysis.transfer import mean_transfer_regret, transfer_regret_of
from analysis.trials import CELL, errors, grid_runs
from analysis.width import width_of
from studies.errors import InputError

SCORED = "scored"


@dataclass(frozen=True)
class Objective:
    """A score.

    Attributes:
        title: As tables and figures name it.
        direction: ``minimize`` or ``maximize``.
        of: Computes it from the output of ``analysis.trials.errors`` and of ``select_cells``; one row per label.
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
    table = width_of(runs, selected).rename(columns={"width_global": "width"})
    return table.assign(low=float("nan"), high=float("nan"))


OBJECTIVES: dict[str, Objective] = {
    "val_error": Objective("validation error at the best cell", "minimize", _best_error, None),
    "sensitivity": Objective(
        "sensitivity S", "minimize", lambda runs, _: mean_sensitivity(sensitivity_of(runs)), 1.0
    ),
    "transfer_regret": Objective(
        "transfer regret T", "minimize", lambda runs, _: mean_transfer_regret(transfer_regret_of(runs)), 1.0
    ),
    "width": Objective("width W (decades)", "maximize", _width, 0.0),
}
"""The scores by name."""


class Scorer:
    """Scores surfaces on the scale that the references set.

    Args:
        references: The references' rows, with the columns of ``studies.schema.ROW_SCHEMA``.
        objectives: Names in ``OBJECTIVES``.

    Raises:
        InputError: If no reference beats chance, so that there is no scale.
    """

    def __init__(self, references: pd.DataFrame, objectives: tuple[str, ...]) -> None:
        self.references, self.objectives = references.assign(role="grid"), objectives
        gap = float(reference_gaps(errors(self.references))["d_w"].max())
        if not gap > 0:
            raise InputError(
                "optimizers: the references are no better than chance: there is no scale to score on"
            )
        self.chance_error = 1 - float(references["chance_accuracy"].iloc[0])

    def worst(self, name: str) -> float:
        """Return the score of a point that learned nowhere."""
        worst = OBJECTIVES[name].worst
        return self.chance_error if worst is None else worst

    def score(self, rows: pd.DataFrame, cell: pd.Series | None = None) -> dict[str, float]:
        """Score one surface.

        Args:
            rows: Its rows, whatever their label and role.
            cell: Where errors are taken (``lr``, ``weight_decay``), when it was selected on other seeds; the
                errors are then free of the luck of the selection.

        Returns:
            Every objective with ``…_low`` and ``…_high`` (95 % over seeds; NaN for one seed, and for width),
            ``val_error`` and ``test_error`` likewise, ``best_lr``, ``best_weight_decay`` and ``diverged``, the
            share of the surface's trials. All finite where any run at gradient scale 1 did not fail: a surface
            that learned nowhere gets the worst of every objective.
        """
        scored = rows.assign(label=SCORED, optimizer=SCORED, role="grid")
        runs = errors(pd.concat([self.references, scored], ignore_index=True))
        selected = select_cells(runs)
        if cell is not None:
            selected.loc[selected["label"] == SCORED, ["lr", "weight_decay"]] = cell.to_list()
        own = runs[runs["label"] == SCORED]
        result = {"diverged": float(own.loc[~own["failed"], "diverged"].mean())}
        best = selected[selected["label"] == SCORED].iloc[0]
        result |= {"best_lr": float(best["lr"]), "best_weight_decay": float(best["weight_decay"])}
        for name in dict.fromkeys(("val_error", *self.objectives)):
            result |= _of_scored(OBJECTIVES[name].of(runs, selected), name)
        result |= _of_scored(test_error_at(runs, selected), "test_error")
        if grid_runs(own)["diverged"].all() and len(grid_runs(own)):
            for name in self.objectives:
                result |= dict.fromkeys((name, f"{name}_low", f"{name}_high"), self.worst(name))
        return result


def _of_scored(table: pd.DataFrame, name: str) -> dict[str, float]:
    found = table[table["label"] == SCORED]
    if found.empty:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
    row = found.iloc[0]
    return {name: float(row[name]), f"{name}_low": float(row["low"]), f"{name}_high": float(row["high"])}
