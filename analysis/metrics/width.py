"""Width W: how much of the grid is nearly as good as the best."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.reference_gap import tolerances
from analysis.metrics.selection import selected_cells
from analysis.rounding import rounded
from analysis.trials import cell_means, check_proportion, errors, grid_runs, in_own_metric

WIDTH_COLUMNS = [
    "task", "label", "optimizer", "weight_decay", "width_own", "width_global", "within_own",
    "within_global", "cells", "censored",
]  # fmt: skip


def width(trials: pd.DataFrame, *, delta: float = 0.01) -> pd.DataFrame:
    """Measure the width of the good region, per task and label.

    At the weight decay of the selected cell, the mean validation error over seeds is interpolated linearly in
    log10(lr); the width is the total length, in decades, of the learning rates with error <= best + delta.
    Both the width and the share of cells are taken once against the label's own best cell and once against
    the best cell of all labels of the task, since a surface that is flat but bad is wide only by its own
    standard.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        delta: What counts as nearly as good, in error (a proportion: 0.01 is one percentage point); where a task
            is judged by another metric, as a share of D_w (`analysis.metrics.reference_gap.reference_gaps`).

    Returns:
        One row per task and label with the columns task, label, optimizer, weight_decay (where the width was
        measured), width_own and width_global (decades), within_own and within_global (share of all lr x
        weight_decay cells at gradient scale 1), cells (how many there are with a usable run) and censored
        (True where the good region reaches an end of the lr grid, so that width_own is a lower bound). A
        label without a usable run has nulls.

    Raises:
        ValueError: The rows are not as `REQUIRED` says, or delta is not in [0, 1].
    """
    runs = errors(trials)
    return in_own_metric(width_at(runs, selected_cells(runs), delta), trials)


def width_at(runs: pd.DataFrame, selected: pd.DataFrame, delta: float = 0.01) -> pd.DataFrame:
    """Compute `width` around given cells, from the outputs of `errors` and `selected_cells`."""
    check_proportion("delta", delta)
    cells = cell_means(grid_runs(runs)).drop(columns="seeds")
    best = selected[["task", "label", "optimizer", "weight_decay", "val_error"]]
    reach, best_of_all = (
        tolerances(runs, delta, best["task"]),
        best.groupby("task")["val_error"].transform("min"),
    )
    limits = best.assign(
        own_limit=rounded(best["val_error"] + reach, best["task"], runs),
        global_limit=rounded(best_of_all + reach, best["task"], runs),
    ).drop(columns="val_error")
    cells = cells.merge(limits.rename(columns={"weight_decay": "best_decay"}), on=["task", "label"])
    for against in ("own", "global"):
        cells[f"within_{against}"] = cells["val_error"] <= cells[f"{against}_limit"]
    groups = cells.groupby(["task", "label"])
    shares = groups[["within_own", "within_global"]].mean().assign(cells=groups.size())
    neither = cells["weight_decay"].isna() & cells["best_decay"].isna()
    same_decay = (cells["weight_decay"] == cells["best_decay"]) | neither
    lengths = _lengths(cells[same_decay].sort_values(["task", "label", "lr"]))
    table = limits.merge(
        shares.join(lengths).reset_index(), on=["task", "label"], how="left", validate="one_to_one"
    )
    table["cells"] = table["cells"].fillna(0).astype("int64")
    table["censored"] = table["censored"].astype("boolean")
    return table[WIDTH_COLUMNS]


def _lengths(curve: pd.DataFrame) -> pd.DataFrame:
    """Measure the good part of each label's lr curve; `curve` is sorted by lr."""
    surfaces = [curve["task"], curve["label"]]
    following = curve.groupby(["task", "label"])[["lr", "val_error"]].shift(-1)
    decades = (following["lr"] / curve["lr"]).transform(np.log10)
    parts = {}
    for against in ("own", "global"):
        share = _share_below(curve["val_error"], following["val_error"], curve[f"{against}_limit"])
        parts[f"width_{against}"] = (share * decades).groupby(surfaces).sum()
    within = curve["within_own"].groupby(surfaces)
    return pd.DataFrame(parts).assign(censored=within.first() | within.last())


def _share_below(left: pd.Series, right: pd.Series, limit: pd.Series) -> pd.Series:
    """Return the share of the straight line from `left` to `right` that is not above `limit`."""
    low, high = left.where(left < right, right), left.where(left > right, right)
    rise = (high - low).where(high > low, 1.0)
    return ((limit - low) / rise).clip(0, 1).where(high > limit, 1.0).where(right.notna())
