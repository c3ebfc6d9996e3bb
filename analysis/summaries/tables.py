"""All tables of one or several workloads, computed from rows that are checked once."""

from __future__ import annotations

import pandas as pd

from analysis.metrics.best_of_k import best_of_k_of, tunability_of
from analysis.metrics.cross_task import cross_task_sensitivity_of
from analysis.metrics.generalization_gap import generalization_gap_of
from analysis.metrics.performance_profile import performance_profile_of
from analysis.metrics.scale_exponent import scale_exponent_of
from analysis.metrics.selection import select_cells, test_error_at
from analysis.metrics.sensitivity import mean_sensitivity, sensitivity_of
from analysis.metrics.transfer_regret import mean_transfer_regret, transfer_regret_of
from analysis.metrics.variance import variance_decomposition_of
from analysis.metrics.width import width_of
from analysis.metrics.wilcoxon_holm import wilcoxon_holm_of
from analysis.statistics.pareto import pareto
from analysis.trials import TRAIN_ACCURACY, errors

_KEY = ["task", "label"]


def tables(trials: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Compute every table of the report.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, of one or more workloads (column task);
            generalization gaps are there where the column train_accuracy is.

    Returns:
        Tables by name: 'metrics' (one row per task and label: test error, sensitivity, transfer_regret,
        scale_exponent, tunability and gap, each with its ends `<name>_low` and `<name>_high` of a 95 %
        interval; width_own, width_global, within_own, within_global; seeds, those of the test error; and
        on_front, whether no label of the task has both a lower test error and a lower sensitivity), and
        'sensitivity', 'transfer_regret', 'scale_exponent', 'width', 'test_error', 'tunability', 'best_of_k',
        'variance_decomposition', 'cross_task_sensitivity', 'performance_profile', 'wilcoxon_holm' and
        'generalization_gap', which are what the functions of these names return.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    has_train = set(TRAIN_ACCURACY) <= set(trials.columns)
    runs = errors(trials, train=has_train)
    selected = select_cells(runs)
    tested = test_error_at(runs, selected)
    made = {
        "test_error": tested,
        "sensitivity": sensitivity_of(runs),
        "transfer_regret": transfer_regret_of(runs),
        "scale_exponent": scale_exponent_of(runs),
        "width": width_of(runs, selected),
        "tunability": tunability_of(runs),
        "best_of_k": best_of_k_of(runs),
        "variance_decomposition": variance_decomposition_of(runs),
        "cross_task_sensitivity": cross_task_sensitivity_of(runs),
        "performance_profile": performance_profile_of(tested),
        "wilcoxon_holm": wilcoxon_holm_of(tested),
    }
    if has_train:
        made["generalization_gap"] = generalization_gap_of(runs, selected)
    return {"metrics": _metrics(made), **made}


def _metrics(made: dict[str, pd.DataFrame]) -> pd.DataFrame:
    means = {
        "test_error": made["test_error"],
        "sensitivity": mean_sensitivity(made["sensitivity"]),
        "transfer_regret": mean_transfer_regret(made["transfer_regret"]),
        "scale_exponent": made["scale_exponent"],
        "tunability": made["tunability"],
    }
    if "generalization_gap" in made:
        means["gap"] = made["generalization_gap"]
    table = made["test_error"][[*_KEY, "optimizer", "n"]].rename(columns={"n": "seeds"})
    for name, part in means.items():
        part = part[[*_KEY, name, "low", "high"]]
        part = part.rename(columns={"low": f"{name}_low", "high": f"{name}_high"})
        table = table.merge(part, on=_KEY, how="left", validate="one_to_one")
    widths = ["width_own", "width_global", "within_own", "within_global"]
    table = table.merge(made["width"][[*_KEY, *widths]], on=_KEY, how="left", validate="one_to_one")
    return pareto(table, ["test_error", "sensitivity"], within=["task"])
