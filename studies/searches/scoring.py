"""The scores of a surface: its objectives beside the references, its best cell, the share that diverged."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis.metrics.reference_gap import reference_gaps
from analysis.metrics.selection import selected_cells, test_error_at
from analysis.task_metric import SHOWN_COLUMNS, in_metric, task_metrics, value_column
from analysis.trials import errors, grid_runs
from studies.spec.errors import InputError
from studies.spec.objectives import OBJECTIVES

SCORED = "scored"
"""The label that a surface has while it is scored, whatever its own is."""


class Scorer:
    """Scores surfaces on the scale that the references set.

    Args:
        references: Their rows, with the columns of ``studies.store.schema.ROW_SCHEMA``.
        objectives: Names in ``OBJECTIVES``.

    Attributes:
        metric: What the task is judged by.
        nothing: Its value of knowing nothing.
        gap: D_w: how much better the references' best cell is.

    Raises:
        InputError: If no reference beats knowing nothing, so that there is no scale.
    """

    def __init__(self, references: pd.DataFrame, objectives: tuple[str, ...]) -> None:
        self.references, self.objectives = references.assign(role="grid"), objectives
        runs = errors(self.references)
        self.gap = float(reference_gaps(runs)["d_w"].max())
        if not self.gap > 0:
            raise InputError(
                "optimizers: the references are no better than chance: there is no scale to score on"
            )
        (self.metric,) = task_metrics(runs).values()
        self.nothing = self.metric.sign * float(runs["chance_error"].iloc[0])

    def worst(self, name: str) -> float:
        """Return the score that a point gets none of whose runs learned anything."""
        worst = OBJECTIVES[name].worst
        return self.nothing if worst is None else worst

    @property
    def ideal(self) -> float:
        """The value of the metric that a point can hardly exceed: one end of the box of the hypervolume.

        No error and no loss, all of a proportion; where neither says anything, twice what the references gain.
        """
        if self.metric.direction == "min" and self.nothing > 0:
            return 0.0
        if self.metric.direction == "max" and self.metric.unit == "%" and self.nothing < 1:
            return 1.0
        return self.nothing - self.metric.sign * 2 * self.gap

    def score(self, rows: pd.DataFrame, cell: pd.Series | None = None) -> dict[str, Any]:
        """Score one surface.

        Args:
            rows: Its rows, whatever their label and role.
            cell: Where errors are taken (``lr``, ``weight_decay``), if it was selected on other seeds: then they
                do not profit from the selection. Otherwise at the best cell of ``rows``.

        Returns:
            Every objective with ``…_low`` and ``…_high`` (95 % over seeds; NaN for one seed, and for width),
            ``val_error`` and ``test_error`` likewise (``val_metric`` and ``test_metric``, in the metric's own values,
            where the task is judged by another one, with its ``metric``, ``unit`` and ``direction``), ``best_lr``,
            ``best_weight_decay``, and ``diverged``: the share of the surface's trials that did. Scores are finite as
            long as one run at gradient scale 1 did not fail: where all of those diverged, every objective has its
            worst score.
        """
        scored = rows.assign(label=SCORED, optimizer=SCORED, role="grid")
        runs = errors(pd.concat([self.references, scored], ignore_index=True))
        selected = selected_cells(runs)
        if cell is not None:
            selected.loc[selected["label"] == SCORED, ["lr", "weight_decay"]] = cell.to_list()
        own = runs[runs["label"] == SCORED]
        result: dict[str, Any] = {"diverged": float(own.loc[~own["failed"], "diverged"].mean())}
        best = selected[selected["label"] == SCORED].iloc[0]
        result |= {"best_lr": float(best["lr"]), "best_weight_decay": float(best["weight_decay"])}
        metrics = task_metrics(runs)
        for name in dict.fromkeys((value_column("val", metrics), *self.objectives)):
            result |= _of_scored(OBJECTIVES[name].of(runs, selected), name)
        tested = in_metric(test_error_at(runs, selected), metrics)
        result |= _of_scored(tested, value_column("test", metrics))
        result |= {name: tested[name].iloc[0] for name in SHOWN_COLUMNS if name in tested.columns}
        if grid_runs(own)["diverged"].all() and len(grid_runs(own)):
            for name in self.objectives:
                result |= dict.fromkeys((name, f"{name}_low", f"{name}_high"), self.worst(name))
        return result


def _of_scored(table: pd.DataFrame, name: str) -> dict[str, float]:
    own = table[table["label"] == SCORED]
    if own.empty:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), float("nan"))
    row = own.iloc[0]
    return {name: float(row[name]), f"{name}_low": float(row["low"]), f"{name}_high": float(row["high"])}
