"""Which columns the tables of a report show, and their numbers as LaTeX and the page set them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.measures import MEASURES

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


@dataclass(frozen=True)
class Numbers:
    """The numbers of a column, in the unit that is shown.

    Attributes:
        values: The numbers, NaN where there is none.
        half: Half the width of each one's interval, NaN where there is none.
        best: Which of them are the best of their task, with all that look equal once they are rounded.
    """

    values: pd.Series
    half: pd.Series
    best: pd.Series


def holds_text(values: pd.Series) -> bool:
    """Say whether a column is set as text: booleans are, as check marks."""
    return pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values)


def tasks_of(table: pd.DataFrame) -> pd.Series:
    """Return the task of each row; a table without that column is of one task without a name."""
    return table["task"] if "task" in table.columns else pd.Series("", index=table.index)


def numbers_of(table: pd.DataFrame, name: str) -> Numbers:
    """Return the numbers of a column as they are shown.

    Args:
        table: With the column, and the ends of its intervals as `<name>_low` and `<name>_high` where it has any.
        name: A key of `MEASURES`.
    """
    measure, column = MEASURES[name], table[name]
    values = pd.Series(column.to_numpy(dtype=float, na_value=np.nan), index=column.index) * measure.factor
    half = pd.Series(np.nan, index=column.index)
    if f"{name}_low" in table.columns:
        half = (table[f"{name}_high"] - table[f"{name}_low"]) / 2 * measure.factor
    best = pd.Series(False, index=column.index)
    if measure.best:
        rounded = values.round(measure.digits)
        best = rounded == rounded.groupby(tasks_of(table)).transform(measure.best)
    return Numbers(values, half, best)
