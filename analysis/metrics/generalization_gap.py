"""The generalization gap: how much larger the error is on the test split than on the training split."""

from __future__ import annotations

import pandas as pd

from analysis.metrics.selection import mean_at, reported_runs, selected_cells
from analysis.trials import errors, in_own_metric

GAP_COLUMNS = [
    "task", "label", "optimizer", "lr", "weight_decay", "gap", "sd", "n", "low", "high", "train_error",
    "test_error", "diverged", "source", "failed",
]  # fmt: skip


def generalization_gap(trials: pd.DataFrame) -> pd.DataFrame:
    """Compute test error minus training error at the selected cell, with a 95 % t-interval over seeds.

    Both errors are those of the end of training, at the cell and on the seeds of `test_error`.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, with the column train_accuracy, or
            train_metric where a task is judged by another metric.

    Returns:
        One row per task and label with the columns task, label, optimizer, lr, weight_decay, gap (mean, a
        proportion or in the metric's unit), sd, n (seeds), low, high, train_error and test_error (means), diverged
        (how many of the n seeds; both of their errors are chance, so their gap is 0 and says nothing good), source
        ('confirm' or 'grid', as in `test_error`) and failed.

    Raises:
        ValueError: The rows are not as `REQUIRED` says, or train_accuracy or train_metric is missing.
    """
    runs = errors(trials, train=True)
    return in_own_metric(generalization_gap_at(runs, selected_cells(runs)), trials)


def generalization_gap_at(runs: pd.DataFrame, selected: pd.DataFrame) -> pd.DataFrame:
    """Compute `generalization_gap` at given cells, from `errors(..., train=True)` and `selected_cells`."""
    reported = reported_runs(runs, selected)
    reported = reported.assign(gap=reported["test_error"] - reported["train_error"])
    parts = reported.groupby(["task", "label"], as_index=False).agg(
        train_error=("train_error", "mean"), test_error=("test_error", "mean"), diverged=("diverged", "sum")
    )
    table = mean_at(reported, selected, "gap")
    table = table.merge(parts, on=["task", "label"], how="left", validate="one_to_one")
    table["diverged"] = table["diverged"].fillna(0).astype("int64")
    return table[GAP_COLUMNS]
