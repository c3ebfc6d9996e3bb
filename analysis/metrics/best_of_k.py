"""Best of k: the test error to expect from a tuning budget of k runs.

Dodge et al. 2019 (https://arxiv.org/abs/1909.03004) draw with replacement; here the k cells are distinct, as in
Tang et al. 2020 (https://arxiv.org/abs/2004.13705), so that the expectation is exact for a random subset of the
grid. Tunability is the area under the curve (Sivaprasad et al. 2020, https://arxiv.org/abs/1910.11758).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.rounding import rounded
from analysis.statistics.intervals import mean_interval
from analysis.trials import errors, grid_runs, in_own_metric, labels_of

_LABEL = ["task", "label", "optimizer"]
_BLOCK = 1 << 22


def best_of_k(trials: pd.DataFrame) -> pd.DataFrame:
    """Compute the expected test error of the validation-best among k random distinct cells.

    For one seed with N cells at gradient scale 1, and test(i) the test error of the i-th best cell by
    validation,

        b_k = sum over i of C(N - i, k - 1) / C(N, k) * test(i),

    because the best of the k is the i-th of all where i is drawn and the other k - 1 come after it. Cells
    that tie on validation are in random order: each has the mean of their test errors. A diverged run has
    chance error. b_k is computed seed by seed (a budget is spent on single runs) and then averaged.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.

    Returns:
        One row per task, label and k = 1 to N with the columns task, label, optimizer, k, test_error (mean
        over seeds), sd, n (seeds that have at least k cells), low and high (95 % t-interval).

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    table = mean_interval(_curves(grid_runs(errors(trials))), "test_error", [*_LABEL, "k"])
    return in_own_metric(table.rename(columns={"mean": "test_error"}), trials)


def tunability(trials: pd.DataFrame) -> pd.DataFrame:
    """Compute the area under the best-of-k curve, divided by its length: the mean of b_k over k = 1 to N.

    It is a test error, low where few runs suffice and the best cell is good. Curves of different lengths are
    not comparable, so optimizers must have the same number of cells.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.

    Returns:
        One row per task and label with the columns task, label, optimizer, tunability (mean over seeds), sd,
        n (seeds), low, high (95 % t-interval) and cells (the largest N). A label without a usable run has
        nulls.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    curves = _curves(grid_runs(runs)).groupby([*_LABEL, "seed"], as_index=False)
    areas = curves.agg(tunability=("test_error", "mean"), cells=("k", "max"))
    cells = areas.groupby(_LABEL, as_index=False)["cells"].max()
    means = mean_interval(areas, "tunability", _LABEL).merge(cells, on=_LABEL, validate="one_to_one")
    means = means.rename(columns={"mean": "tunability"})
    table = labels_of(runs).merge(means, on=_LABEL, how="left", validate="one_to_one")
    table = table.astype({"n": "Int64", "cells": "Int64"}).fillna({"n": 0, "cells": 0})
    return in_own_metric(table.astype({"n": "int64", "cells": "int64"}), trials)


def _curves(grid: pd.DataFrame) -> pd.DataFrame:
    """Return b_k for every task, label, seed and k."""
    key = [*_LABEL, "seed"]
    rows = grid[[*key, "test_error"]].assign(val_error=rounded(grid["val_error"], grid["task"], grid))
    rows = rows.sort_values([*key, "val_error"], ignore_index=True)
    tied = rows.groupby([*key, "val_error"])["test_error"]
    test = tied.transform("mean").to_numpy()
    curve = rows.groupby(key)
    rows["k"] = curve.cumcount() + 1
    size = curve["k"].transform("size").to_numpy()
    expected = np.empty(len(rows))
    for cells in np.unique(size):
        here = np.flatnonzero(size == cells)
        # rows are sorted, so that each run of `cells` of them is one curve
        expected[here] = _expected_best(test[here].reshape(-1, cells)).ravel()
    return rows[[*key, "k"]].assign(test_error=expected)


def _expected_best(ordered: np.ndarray) -> np.ndarray:
    """Return b_1 to b_N along the last axis, for test errors in the order of validation along it."""
    cells = ordered.shape[1]
    curves = np.empty_like(ordered)
    rank = np.arange(1, cells)
    step = max(1, _BLOCK // cells)
    for start in range(0, cells, step):
        k = np.arange(start + 1, min(start + step, cells) + 1)[:, None]
        # C(N - 1, k - 1) / C(N, k) = k / N, and each further rank is (N - i - k + 1) / (N - i) times as likely
        ratios = np.clip((cells - rank - k + 1) / (cells - rank), 0, None)
        weights = np.cumprod(np.concatenate([k / cells, ratios], axis=1), axis=1)
        # a matrix product would round a curve differently with other curves beside it
        curves[:, start : start + step] = np.einsum("ci,ki->ck", ordered, weights)
    return curves
