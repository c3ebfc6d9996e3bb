"""All tables of one or several workloads, computed from rows that are checked once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import pandas as pd

from analysis.metrics.best_of_k import best_of_k, tunability
from analysis.metrics.cross_task import cross_task_sensitivity
from analysis.metrics.generalization_gap import generalization_gap_at
from analysis.metrics.performance_profile import performance_profile_of
from analysis.metrics.scale_exponent import scale_exponent
from analysis.metrics.selection import selected_cells, test_error_at
from analysis.metrics.sensitivity import mean_sensitivity, sensitivity
from analysis.metrics.transfer_regret import mean_transfer_regret, transfer_regret
from analysis.metrics.variance import variance_decomposition
from analysis.metrics.width import width_at
from analysis.metrics.wilcoxon_holm import wilcoxon_holm_of
from analysis.statistics.pareto import pareto
from analysis.task_metric import in_metric, task_metrics
from analysis.trials import errors, has_train

logger = logging.getLogger("analysis")
_KEY = ["task", "label"]
Made = TypeVar("Made")


def tables(trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Compute every table of the report.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, of one or more workloads (column task);
            generalization gaps are there where the column train_accuracy is, or train_metric.

    Returns:
        Tables by name: 'metrics' (one row per task and label: test error, sensitivity, transfer_regret,
        scale_exponent, tunability and gap, each with its ends `<name>_low` and `<name>_high` of a 95 %
        interval; width_own, width_global, within_own, within_global; seeds, those of the test error; and
        on_front, whether no label of the task has both a lower test error and a lower sensitivity), and
        'sensitivity', 'transfer_regret', 'scale_exponent', 'width', 'test_error', 'tunability', 'best_of_k',
        'variance_decomposition', 'cross_task_sensitivity', 'performance_profile', 'wilcoxon_holm' and
        'generalization_gap', which are what the functions of these names return.

        Where a task is not judged by error, tables with a column task have the columns metric, unit and direction,
        and test_metric, in the metric's own values, in place of test_error: see `analysis.task_metric.in_metric`.

        A table that cannot be made is not there; `made_tables` says why.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    return made_tables(trials).tables


@dataclass(frozen=True)
class MadeTables:
    """Tables by name, and why others could not be made, by theirs."""

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def made_tables(trials: pd.DataFrame) -> MadeTables:
    """Compute every table of `tables`, each for itself: one that fails takes no other with it.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    with_train = has_train(trials)
    runs = errors(trials, train=with_train)
    selected = selected_cells(runs)
    made = MadeTables()
    for name, make in _makers(runs, selected, made.tables, has_train=with_train).items():
        table, why = attempt(make)
        if table is None:
            made.left_out[name] = why
        else:
            made.tables[name] = table
    first = {"metrics": made.tables.pop("metrics")} if "metrics" in made.tables else {}
    metrics = task_metrics(runs)
    shown = {
        name: in_metric(table, metrics) if "task" in table.columns else table
        for name, table in (first | made.tables).items()
    }
    return MadeTables(shown, made.left_out)


def _makers(
    runs: pd.DataFrame, selected: pd.DataFrame, done: Mapping[str, pd.DataFrame], *, has_train: bool
) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return what makes each table, in an order in which those that build on others (`done`) come after them."""
    makers: dict[str, Callable[[], pd.DataFrame]] = {
        "test_error": lambda: test_error_at(runs, selected),
        "sensitivity": lambda: sensitivity(runs),
        "transfer_regret": lambda: transfer_regret(runs),
        "scale_exponent": lambda: scale_exponent(runs),
        "width": lambda: width_at(runs, selected),
        "tunability": lambda: tunability(runs),
        "best_of_k": lambda: best_of_k(runs),
        "variance_decomposition": lambda: variance_decomposition(runs),
        "cross_task_sensitivity": lambda: cross_task_sensitivity(runs),
        "performance_profile": lambda: performance_profile_of(runs, done["test_error"]),
        "wilcoxon_holm": lambda: wilcoxon_holm_of(runs, done["test_error"]),
    }
    if has_train:
        makers["generalization_gap"] = lambda: generalization_gap_at(runs, selected)
    return {**makers, "metrics": lambda: _metrics(done)}


def attempt(make: Callable[[], Made]) -> tuple[Made | None, str]:
    """Return what a function makes, or None and in a line why it could not.

    Whatever an analysis raises: rows that were hours in the making are reported on as far as they can be.
    """
    try:
        return make(), ""
    except Exception as error:
        logger.info("an analysis failed", exc_info=True)
        if isinstance(error, KeyError):
            return None, f"it needs {error.args[0]}"
        return None, " ".join(str(error).split()) or type(error).__name__


def _metrics(parts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put what is known of each label into one row: means with their intervals, widths, and the Pareto front."""
    means = {
        "test_error": parts["test_error"],
        "sensitivity": mean_sensitivity(parts["sensitivity"]),
        "transfer_regret": mean_transfer_regret(parts["transfer_regret"]),
        "scale_exponent": parts["scale_exponent"],
        "tunability": parts["tunability"],
    }
    if "generalization_gap" in parts:
        means["gap"] = parts["generalization_gap"]
    table = parts["test_error"][[*_KEY, "optimizer", "n"]].rename(columns={"n": "seeds"})
    for name, part in means.items():
        part = part[[*_KEY, name, "low", "high"]]
        part = part.rename(columns={"low": f"{name}_low", "high": f"{name}_high"})
        table = table.merge(part, on=_KEY, how="left", validate="one_to_one")
    widths = ["width_own", "width_global", "within_own", "within_global"]
    table = table.merge(parts["width"][[*_KEY, *widths]], on=_KEY, how="left", validate="one_to_one")
    return pareto(table, ["test_error", "sensitivity"], within=["task"])
