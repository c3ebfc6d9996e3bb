"""analysis.summaries.columns"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Column:
    """One column of a LaTeX table.

    Attributes:
        name: The table's column; text and booleans (a check mark where True) are set as text.
        header: What stands above it, in LaTeX.
        digits: Decimals, 0 for integers.
        scale: Numbers are multiplied by this: 100 for percent.
        best: 'min' or 'max': which value is bold, or '' for none.
        interval: Whether `<name>_low` and `<name>_high` hold a symmetric interval, shown as an uncertainty.
    """

    name: str
    header: str
    digits: int = 3
    scale: float = 1.0
    best: str = ""
    interval: bool = False


LAYOUTS: dict[str, tuple[Column, ...]] = {
    "metrics": (
        Column("label", "Optimizer"),
        Column("test_error", r"Test error, \%", 2, 100, "min", True),
        Column("sensitivity", "$S$", 3, 1, "min", True),
        Column("transfer_regret", "$T$", 3, 1, "min", True),
        Column("scale_exponent", "$a$", 2, 1, "", True),
        Column("width_own", "$W$, own best", 2, 1, "max"),
        Column("width_global", "$W$, global best", 2, 1, "max"),
        Column("tunability", r"Tunability, \%", 2, 100, "min", True),
        Column("gap", r"Gap, \%", 2, 100, "", True),
        Column("on_front", "Pareto"),
    ),
    "variance_decomposition": (
        Column("label", "Optimizer"),
        Column("term", "Term"),
        Column("df", "df", 0),
        Column("eta_squared", r"$\eta^2$", 3),
    ),
    "cross_task_sensitivity": (
        Column("label", "Optimizer"),
        Column("phi", r"$\Phi$", 3, 1, "min"),
        Column("tuned_score", "Tuned per workload", 3, 1, "max"),
        Column("shared_score", "One setting", 3, 1, "max"),
        Column("effective_hyperparameters", "To tune", 0, 1, "min"),
        Column("workloads", "Workloads", 0),
    ),
    "wilcoxon_holm": (
        Column("first", "First"),
        Column("second", "Second"),
        Column("median_difference", r"Median difference, \%", 2, 100),
        Column("p", "$p$", 3),
        Column("p_holm", "$p$, Holm", 3),
        Column("workloads", "Workloads", 0),
    ),
}
"""The tables of `analysis.summaries.tables.tables` that fit on a page, with their columns."""


def _is_text(values: pd.Series) -> bool:
    return pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values)


SUMMARY = (
    Column("task", "Task"),
    Column("label", "Optimizer"),
    Column("best_lr", "Best lr", -1),
    Column("best_weight_decay", "Weight decay", -1),
    Column("val_accuracy", r"Validation, \%", 2, 100, "max"),
    Column("test_accuracy", r"Test accuracy, \%", 2, 100, "max", True),
    Column("sensitivity", "$S$", 3, 1, "min", True),
    Column("width_own", "$W$, own best", 2, 1, "max"),
    Column("diverged", r"Diverged, \%", 1, 100),
    Column("failed", "Failed", 0),
    Column("seeds", "Seeds", 0),
    Column("trials", "Trials", 0),
)
"""The columns of `analysis.summary`; -1 decimals: three significant digits."""
