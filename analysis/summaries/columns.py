"""Which columns the tables of a report show, and their numbers as LaTeX and the page set them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.measures import Measure, decimals, measure
from analysis.task_metric import ERROR, LEVELS, TaskMetric, task_metrics

LAYOUTS: dict[str, Sequence[str]] = {
    "metrics": (
        "label", "test_error", "sensitivity", "transfer_regret", "scale_exponent", "width_own", "width_global",
        "tunability", "gap", "on_front",
    ),
    "variance_decomposition": ("label", "term", "df", "eta_squared"),
    "cross_task_sensitivity": (
        "label", "phi", "tuned_score", "shared_score", "effective_hyperparameters", "workloads",
    ),
    "wilcoxon_holm": ("first", "second", "median_difference", "p", "p_holm", "workloads"),
}  # fmt: skip
"""The tables of `analysis.tables` that fit on a page, with the columns that are shown, as `MEASURES` names them."""

SUMMARY = (
    "task", "label", "best_lr", "best_weight_decay", "val_accuracy", "test_accuracy", "sensitivity", "width_own",
    "diverged", "failed", "seeds", "trials",
)  # fmt: skip
"""The columns of `analysis.summary` that are shown."""

_INSTEAD = {
    **LEVELS,
    "val_accuracy": "val_metric",
    "test_accuracy": "test_metric",
    "median_difference": "median_share",
}
"""What stands in place of a column in tables of tasks that are not all judged by error."""


@dataclass(frozen=True)
class Numbers:
    """The numbers of a column, in the unit that is shown.

    Attributes:
        values: The numbers, NaN where there is none.
        half: Half the width of each one's interval, NaN where there is none.
        best: Which of them are the best of their task, with all that look equal once they are rounded.
        digits: With how many decimals each is shown.
        rounded: The numbers rounded to them.
    """

    values: pd.Series
    half: pd.Series
    best: pd.Series
    digits: pd.Series
    rounded: pd.Series


def columns_of(table: pd.DataFrame, layout: Sequence[str]) -> list[str]:
    """Return the columns of a layout that a table shows.

    Args:
        table: An output of `analysis.tables`, or of `analysis.summary`.
        layout: One of `LAYOUTS`, or `SUMMARY`.

    Returns:
        Those that the table has, or has under another name where its tasks are not all judged by error (test_metric
        for test_error); and the columns metric and unit after the label where its tasks have different metrics, which
        no heading can name.
    """
    names = [name if name in table.columns else _INSTEAD.get(name, name) for name in layout]
    if "metric" in table.columns and len(_metrics(table)) > 1 and "label" in names:
        place = names.index("label") + 1
        names[place:place] = ["metric", "unit"]
    return [name for name in names if name in table.columns]


def measure_of(table: pd.DataFrame, name: str) -> Measure:
    """Return how a column of a table is shown as a whole: for the metric of its tasks, if they have the same."""
    metrics = _metrics(table)
    return measure(name, metrics.pop() if len(metrics) == 1 else None)


def _metrics(table: pd.DataFrame) -> set[TaskMetric]:
    return set(task_metrics(table).values()) or {ERROR} if "task" in table.columns else {ERROR}


def holds_text(values: pd.Series) -> bool:
    """Say whether a column is set as text: booleans are, as check marks."""
    return pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values)


def tasks_of(table: pd.DataFrame) -> pd.Series:
    """Return the task of each row; a table without that column is of one task without a name."""
    return table["task"] if "task" in table.columns else pd.Series("", index=table.index)


def numbers_of(table: pd.DataFrame, name: str) -> Numbers:
    """Return the numbers of a column as they are shown, those of each task by the measure of its metric.

    Args:
        table: With the column, and the ends of its intervals as `<name>_low` and `<name>_high` where it has any.
        name: A key of `MEASURES`.
    """
    tasks, column = tasks_of(table), table[name]
    metrics = task_metrics(table) if "task" in table.columns else {}
    measures = {task: measure(name, metrics.get(str(task), ERROR)) for task in tasks.unique()}
    factor = tasks.map({task: one.factor for task, one in measures.items()}).astype(float)
    values = pd.Series(column.to_numpy(dtype=float, na_value=np.nan), index=column.index) * factor
    half = pd.Series(np.nan, index=column.index)
    if f"{name}_low" in table.columns:
        half = (table[f"{name}_high"] - table[f"{name}_low"]) / 2 * factor
    best, rounded = pd.Series(False, index=column.index), values.copy()
    digits = pd.Series(0, index=column.index)
    for task, one in measures.items():
        own = tasks == task
        digits[own] = shown = decimals(values[own], one.digits)
        rounded[own] = values[own].round(shown)
        if one.best:
            best[own] = rounded[own] == rounded[own].agg(one.best)
    return Numbers(values, half, best, digits, rounded)
