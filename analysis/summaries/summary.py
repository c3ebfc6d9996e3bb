"""One line per optimizer: where it is best, how good it is there, and how much that depends on tuning."""

from __future__ import annotations

import pandas as pd

from analysis.metrics.selection import selected_cells, test_error_at
from analysis.metrics.sensitivity import mean_sensitivity, sensitivity
from analysis.metrics.width import width_at
from analysis.task_metric import SHOWN_COLUMNS, by_error, in_metric, task_metrics
from analysis.trials import errors

SUMMARY_COLUMNS = [
    "task", "label", "best_lr", "best_weight_decay", "edge_distance", "val_accuracy", "test_accuracy",
    "test_accuracy_low", "test_accuracy_high", "seeds", "trials", "diverged", "failed", "sensitivity",
    "sensitivity_low", "sensitivity_high", "width_own", "width_global", "within_own",
]  # fmt: skip


def summary(trials: pd.DataFrame) -> pd.DataFrame:
    """Summarize a study, one row per task and label.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.

    Returns:
        A table sorted by task and then by test accuracy, best first, with the columns task, label; best_lr,
        best_weight_decay and edge_distance (the selected cell, see `selected_cells`); val_accuracy (its mean over the
        grid's seeds, where a diverged seed counts as chance); test_accuracy, test_accuracy_low and
        test_accuracy_high (`test_error` as accuracy, with a 95 % t-interval); seeds (how many test_accuracy
        averages); trials (the label's rows), diverged (the share of them) and failed (their number); sensitivity,
        sensitivity_low and sensitivity_high (S over seeds, with a 95 % t-interval); width_own, width_global (decades
        of lr) and within_own (share of cells), which are `width` within one percentage point. Accuracies are
        fractions. A label without a usable run at gradient scale 1 keeps its row, with nulls.

        Where a task is not judged by error, val_metric, test_metric, test_metric_low and test_metric_high, the values
        of each task's metric, stand in place of the accuracies, the columns metric, unit and direction follow
        label, and the best test_metric of each task comes first.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    metrics = task_metrics(runs)
    selected = selected_cells(runs)
    key = ["task", "label"]
    table = selected.drop(columns="seeds")
    for part in (
        _tested(test_error_at(runs, selected)),
        _counts(runs),
        _sensitivity(mean_sensitivity(sensitivity(runs))),
        width_at(runs, selected)[[*key, "width_own", "width_global", "within_own"]],
    ):
        table = table.merge(part, on=key, how="left", validate="one_to_one")
    table = table.rename(columns={"lr": "best_lr", "weight_decay": "best_weight_decay"})
    if by_error(metrics):
        table = _with_accuracies(table)
        order, ascending = ["task", "test_accuracy", "label"], [True, False, True]
        return table.sort_values(order, ascending=ascending, ignore_index=True)[SUMMARY_COLUMNS]
    table = table.sort_values(["task", "test_error", "label"], ignore_index=True)
    named = [name.replace("accuracy", "metric") for name in SUMMARY_COLUMNS if name not in key]
    return in_metric(table, metrics)[[*key, *SHOWN_COLUMNS, *named]]


def _tested(tested: pd.DataFrame) -> pd.DataFrame:
    names = {"low": "test_error_low", "high": "test_error_high", "n": "seeds"}
    return tested[["task", "label", "test_error", *names]].rename(columns=names)


def _with_accuracies(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        val_accuracy=1 - table["val_error"],
        test_accuracy=1 - table["test_error"],
        test_accuracy_low=1 - table["test_error_high"],
        test_accuracy_high=1 - table["test_error_low"],
    )


def _counts(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.groupby(["task", "label"], as_index=False).agg(
        trials=("seed", "size"), diverged=("diverged", "mean"), failed=("failed", "sum")
    )


def _sensitivity(averaged: pd.DataFrame) -> pd.DataFrame:
    names = {"low": "sensitivity_low", "high": "sensitivity_high"}
    return averaged.drop(columns=["sd", "n"]).rename(columns=names)
