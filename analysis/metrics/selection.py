"""The validation-best cell of every label, and the test error there.

Cells are chosen on validation, at gradient scale 1; test error is reported on seeds that took no part in the
choice wherever there are any, because the winner among many noisy cells looks better than it is.

"Error" is what `analysis.trials.errors` makes of the task's metric. Where a task is not judged by error, tables made
of rows show the metric's own values (val_metric, test_metric, with the columns metric, unit and direction); tables
made of the output of `errors` hold errors, as that does. This holds for all measures.
"""

from __future__ import annotations

import pandas as pd

from analysis.statistics.intervals import mean_interval
from analysis.trials import (
    CELL,
    cell_means,
    errors,
    grid_runs,
    in_own_metric,
    labels_of,
    runs_at_scale_one,
)

SELECTED_COLUMNS = ["task", "label", "optimizer", "lr", "weight_decay", "val_error", "seeds", "edge_distance"]
TEST_COLUMNS = [
    "task", "label", "optimizer", "lr", "weight_decay", "test_error", "sd", "n", "low", "high", "source",
    "failed",
]  # fmt: skip
SEED_COLUMNS = [
    "task", "label", "optimizer", "seed", "test_error", "lr", "weight_decay", "source", "diverged",
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
    runs = errors(trials)
    cells = cell_means(grid_runs(runs))
    ranked = cells.sort_values(["task", "label", "val_error", "lr", "weight_decay"], kind="stable")
    best = ranked.drop_duplicates(["task", "label"])
    best = best.merge(_edge_distances(cells), on=["task", "label", "lr"], validate="one_to_one")
    table = labels_of(runs).merge(best, on=["task", "label"], how="left", validate="one_to_one")
    table["seeds"] = table["seeds"].fillna(0).astype("int64")
    table["edge_distance"] = table["edge_distance"].astype("Int64")
    return in_own_metric(table[SELECTED_COLUMNS], trials)


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
    return in_own_metric(test_error_at(runs, selected_cells(runs)), trials)


def test_error_at(runs: pd.DataFrame, selected: pd.DataFrame) -> pd.DataFrame:
    """Compute the table of `test_error` at given cells, from the outputs of `errors` and `selected_cells`."""
    return mean_at(reported_runs(runs, selected), selected, "test_error")[TEST_COLUMNS]


def test_error_by_seed(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the test error E at the selected cell for every seed that `test_error` averages.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.

    Returns:
        One row per task, label and seed with the columns task, label, optimizer, seed, test_error, lr,
        weight_decay, source ('confirm' or 'grid', as in `test_error`) and diverged. Failed runs have no row.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    used = reported_runs(runs, selected_cells(runs)).rename(columns={"role": "source"})
    return in_own_metric(used.loc[~used["failed"], SEED_COLUMNS].reset_index(drop=True), trials)


def reported_runs(runs: pd.DataFrame, selected: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `errors` to report at the selected cells, failed ones included.

    They are those of role confirm where the cell has a successful one, else those of the grid.
    """
    reported = runs_at_scale_one(runs, roles=["confirm", "grid"])
    at_cell = reported.merge(selected.loc[selected["seeds"] > 0, CELL], on=CELL, validate="many_to_one")
    fresh = at_cell.loc[(at_cell["role"] == "confirm") & ~at_cell["failed"], ["task", "label"]]
    names = pd.MultiIndex.from_frame(at_cell[["task", "label"]])
    has_fresh = names.isin(pd.MultiIndex.from_frame(fresh.drop_duplicates()))
    return at_cell[(at_cell["role"] == "confirm") == has_fresh].reset_index(drop=True)


def mean_at(reported: pd.DataFrame, selected: pd.DataFrame, value: str) -> pd.DataFrame:
    """Average a column of `reported_runs` over seeds, with a t-interval, keeping labels without a value.

    Returns:
        One row per row of `selected`, with the columns task, label, optimizer, lr, weight_decay, `value`
        (mean), sd, n, low, high, source and failed.
    """
    by = ["task", "label", "role"]
    failed = reported.groupby(by)["failed"].sum().reset_index()
    table = mean_interval(reported, value, by).merge(failed, on=by, validate="one_to_one")
    table = table.rename(columns={"mean": value, "role": "source"})
    names = selected[["task", "label", "optimizer", "lr", "weight_decay"]]
    table = names.merge(table[table["n"] > 0], on=["task", "label"], how="left", validate="one_to_one")
    table[["n", "failed"]] = table[["n", "failed"]].fillna(0).astype("int64")
    return table


def _edge_distances(cells: pd.DataFrame) -> pd.DataFrame:
    grid = cells[["task", "label", "lr"]].drop_duplicates().sort_values(["task", "label", "lr"])
    from_left = grid.groupby(["task", "label"]).cumcount()
    from_right = grid.groupby(["task", "label"]).cumcount(ascending=False)
    return grid.assign(edge_distance=from_left.where(from_left < from_right, from_right))
