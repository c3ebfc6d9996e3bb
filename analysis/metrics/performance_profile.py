"""Performance profiles: on what share of the workloads is an optimizer within a factor of the best one?

Dolan and Moré 2002 (https://arxiv.org/abs/cs/0102001), with the largest ratio and the score of AlgoPerf
(Dahl et al. 2023, https://arxiv.org/abs/2306.07179). Ratios are relative to the best of the pool, so another
optimizer can move them: a supplement, never a criterion.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.selection import selected_cells, test_error_at
from analysis.task_metric import by_error, task_metrics
from analysis.trials import errors

R_MAX = 4.0
"""The largest ratio that counts, as in AlgoPerf."""

PROFILE_COLUMNS = ["label", "ratio", "share", "score", "workloads", "missing"]


def performance_profile(trials: pd.DataFrame, *, r_max: float = R_MAX) -> pd.DataFrame:
    """Compute the profile of test errors at the selected cells, per label.

    With r(o, w) = E(o, w) / min over o' of E(o', w), the profile of o is the share of workloads with
    r(o, w) <= ratio, a step function of the ratio from 1 to `r_max`. A label without a test error on a
    workload has an infinite ratio there.

    Where a task is judged by another metric than the error, ratios of its values say nothing (a loss may have any
    zero). Then r(o, w) = max over o' of G(o', w) / G(o, w) on all workloads, with G = chance error - E, what was
    gained on knowing nothing.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, of one or more workloads (column task).
        r_max: The largest ratio that counts.

    Returns:
        One row per label and step (the ratios at which any label's profile rises, 1 and `r_max`), with the
        columns label, ratio, share, score (the area under the profile from 1 to `r_max`, divided by
        `r_max - 1`), workloads (how many) and missing (on how many of them the label has no test error).

    Raises:
        ValueError: The rows are not as `REQUIRED` says, or r_max is not above 1.
    """
    runs = errors(trials)
    return performance_profile_of(runs, test_error_at(runs, selected_cells(runs)), r_max)


def performance_profile_of(runs: pd.DataFrame, tested: pd.DataFrame, r_max: float = R_MAX) -> pd.DataFrame:
    """Compute `performance_profile` from the outputs of `errors` and `analysis.metrics.selection.test_error_at`."""
    if not (r_max > 1 and np.isfinite(r_max)):
        raise ValueError(f"r_max must be above 1 and finite, but got {r_max}")
    cost = tested.pivot(index="label", columns="task", values="test_error")
    if by_error(task_metrics(runs)):
        best = cost.min()
        # where the best makes no error at all, only its equals are within any factor of it
        ratio = (cost / best.where(best > 0)).mask(cost.eq(best), 1.0).fillna(np.inf).round(12)
    else:
        gained = runs.groupby("task")["chance_error"].first() - cost
        best = gained.max()
        ratio = (best / gained.where(gained > 0)).mask(gained.eq(best), 1.0).fillna(np.inf).round(12)
    values = ratio.to_numpy()
    steps = np.unique(np.concatenate([[1.0, r_max], values[values <= r_max]]))
    shares = (values[:, :, None] <= steps).mean(axis=1) if cost.size else np.empty((0, len(steps)))
    table = pd.DataFrame(
        {
            "label": cost.index.repeat(len(steps)).astype("str"),
            "ratio": np.tile(steps, len(cost)),
            "share": shares.ravel(),
            "score": np.repeat(shares[:, :-1] @ np.diff(steps) / (r_max - 1), len(steps)),
            "missing": np.repeat(cost.isna().sum(axis=1).to_numpy(dtype="int64"), len(steps)),
        }
    )
    return table.assign(workloads=cost.shape[1])[PROFILE_COLUMNS]
