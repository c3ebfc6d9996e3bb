"""All pairs of optimizers across workloads: Wilcoxon's signed-rank test with Holm's correction.

Recommended for several optimizers on several data sets by Demšar 2006
(https://www.jmlr.org/papers/v7/demsar06a.html). A p-value above 0.05 is no sign of equality, and with fewer
than 6 workloads none can be below 0.05.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import scipy  # each of its parts is loaded when it is first used: they take long

from analysis.metrics.reference_gap import reference_gaps
from analysis.metrics.selection import selected_cells, test_error_at
from analysis.statistics.holm import holm
from analysis.task_metric import by_error, task_metrics
from analysis.trials import errors


def wilcoxon_holm(trials: pd.DataFrame) -> pd.DataFrame:
    """Compare the test errors at the selected cells of every two labels over workloads.

    A workload is one pair of values, however many seeds it has. Workloads without a difference are dropped,
    as Wilcoxon did; the p-value is exact for up to 50 differences of different sizes, two-sided.

    The test ranks differences of several workloads by their size. Where a task is judged by another metric than the
    error, all of them are therefore taken in shares of D_w (`analysis.metrics.reference_gap.reference_gaps`).

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, of several workloads (column task).

    Returns:
        One row per pair of labels, in alphabetical order, with the columns first, second, workloads (on which
        both have a test error), median_difference (of first minus second, a proportion) or, where a task is not
        judged by error, median_share (the same in shares of D_w, above 0 where first is worse), p and p_holm
        (corrected for all pairs of the table). p is 1 where no workload differs, and NaN where there is none.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    return wilcoxon_holm_of(runs, test_error_at(runs, selected_cells(runs)))


def wilcoxon_holm_of(runs: pd.DataFrame, tested: pd.DataFrame) -> pd.DataFrame:
    """Compute `wilcoxon_holm` from the outputs of `errors` and `analysis.metrics.selection.test_error_at`."""
    cost = tested.pivot(index="label", columns="task", values="test_error")
    name = "median_difference"
    if not by_error(task_metrics(runs)):
        scale = reference_gaps(runs).set_index("task")["d_w"]
        cost, name = cost / scale.where(scale > 0).reindex(cost.columns), "median_share"
    records = []
    for first, second in combinations(cost.index, 2):
        difference = (cost.loc[first] - cost.loc[second]).dropna().to_numpy().round(12)
        middle = float(np.median(difference)) if len(difference) else np.nan
        records.append((first, second, len(difference), middle, _p_value(difference)))
    table = pd.DataFrame(records, columns=["first", "second", "workloads", name, "p"])
    kinds = {
        "first": "str",
        "second": "str",
        "workloads": "int64",
        name: "float64",
        "p": "float64",
    }
    table = table.astype(kinds)
    return table.assign(p_holm=holm(table["p"].to_numpy()))


def _p_value(difference: np.ndarray) -> float:
    if not len(difference):
        return np.nan
    different = difference[difference != 0]
    return float(scipy.stats.wilcoxon(different).pvalue) if len(different) else 1.0
