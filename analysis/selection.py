"""The validation-best cell of every label, and the test error there.

Cells are chosen on validation, at gradient scale 1; test error is reported on seeds that took no part in the
choice wherever there are any, because the winner of many equal cells looks better than it is.
"""

from __future__ import annotations

import pandas as pd

from analysis.intervals import mean_interval
from analysis.trials import CELL, cell_means, errors, grid_runs, labels_of, runs_at

SELECTED_COLUMNS = ["task", "label", "optimizer", "lr", "weight_decay", "val_error", "seeds", "edge_distance"]
TEST_COLUMNS = [
    "task", "label", "optimizer", "lr", "weight_decay", "test_error", "sd", "n", "low", "high", "source",
    "failed",
]  # fmt: skip


def selected_cells(trials: pd.DataFrame) -> pd.DataFrame:
    """Find the cell with the lowest mean validation error over seeds, per task and label.

    Only grid rows at gradient scale 1 take part. Ties go to the smaller lr, then to the smaller weight decay.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.

    Returns:
        One row per task and label with the columns task, label, optimizer, lr, weight_decay, val_error (the
        mean over seeds), seeds (how many) and edge_distance: the number of lr steps from the best cell to the
        nearest end of that label's lr grid, where 0 says that the best cell lies on the edge. An lr whose
        runs all failed does not count as part of the grid. A label without a usable run keeps its row, with
        nulls and seeds = 0.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    return select_cells(errors(trials))


def select_cells(runs: pd.DataFrame) -> pd.DataFrame:
    """Do what `selected_cells` does, on the output of `analysis.trials.errors`."""
    cells = cell_means(grid_runs(runs))
    ranked = cells.sort_values(["task", "label", "val_error", "lr", "weight_decay"], kind="stable")
    best = ranked.drop_duplicates(["task", "label"])
    best = best.merge(_edge_distances(cells), on=["task", "label", "lr"], validate="one_to_one")
    table = labels_of(runs).merge(best, on=["task", "label"], how="left", validate="one_to_one")
    table["seeds"] = table["seeds"].fillna(0).astype("int64")
    table["edge_distance"] = table["edge_distance"].astype("Int64")
    return table[SELECTED_COLUMNS]


def test_error(trials: pd.DataFrame) -> pd.DataFrame:
    """Estimate the test error at the selected cell, with a 95 % t-interval over seeds.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.

    Returns:
        One row per task and label with the columns task, label, optimizer, lr, weight_decay, test_error
        (mean), sd, n (seeds), low, high, source ('confirm' where the selected cell has successful rows of
        that role, else 'grid', and then the estimate is optimistic) and failed (failed rows of that source at
        the cell).

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    return test_error_at(runs, select_cells(runs))


def test_error_at(runs: pd.DataFrame, selected: pd.DataFrame) -> pd.DataFrame:
    """Do what `test_error` does, on the outputs of `errors` and `select_cells`."""
    reported = runs_at(runs, 1.0, roles=["confirm", "grid"])
    at_cell = reported.merge(selected.loc[selected["seeds"] > 0, CELL], on=CELL, validate="many_to_one")
    by = ["task", "label", "role"]
    table = mean_interval(at_cell, "test_error", by)
    failed = at_cell.groupby(by)["failed"].sum().reset_index()
    table = table.merge(failed, on=by, validate="one_to_one")
    # 'confirm' sorts before 'grid', so that the first usable row of a label is the one to report
    table = table[table["n"] > 0].sort_values(by).drop_duplicates(["task", "label"])
    table = table.rename(columns={"mean": "test_error", "role": "source"})
    names = selected[["task", "label", "optimizer", "lr", "weight_decay"]]
    table = names.merge(table, on=["task", "label"], how="left", validate="one_to_one")
    table[["n", "failed"]] = table[["n", "failed"]].fillna(0).astype("int64")
    return table[TEST_COLUMNS]


def _edge_distances(cells: pd.DataFrame) -> pd.DataFrame:
    grid = cells[["task", "label", "lr"]].drop_duplicates().sort_values(["task", "label", "lr"])
    from_left = grid.groupby(["task", "label"]).cumcount()
    from_right = grid.groupby(["task", "label"]).cumcount(ascending=False)
    return grid.assign(edge_distance=from_left.where(from_left < from_right, from_right))
