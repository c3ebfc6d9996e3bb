"""The scale on which losses are compared: chance error minus the best reference error."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.rounding import rounded
from analysis.task_metric import ERROR
from analysis.trials import cell_means, grid_runs

REFERENCES = ("adamw", "sgd")
"""The optimizers whose best error sets the scale of a task."""


def reference_gaps(runs: pd.DataFrame, references: Sequence[str] = REFERENCES) -> pd.DataFrame:
    """Compute `D_w`, the chance error minus the best reference error, per task.

    The best reference error is the lowest mean validation error over seeds among all grid cells at gradient
    scale 1 of the reference optimizers. It depends on them alone, so that adding another optimizer moves nothing.

    Args:
        runs: Output of `analysis.trials.errors`.
        references: Names in the column `optimizer`.

    Returns:
        One row per task with a usable grid run, with the columns task, d_w (a proportion, or in the metric's unit)
        and d_w_source: the references that are there, as 'adamw, sgd', or 'all labels' where a task has none of them
        and the best of all labels takes their place. d_w is 0 or less where nothing beat chance.

    Raises:
        TypeError: `references` is a single string.
    """
    if isinstance(references, str):
        raise TypeError(
            f"references must be a sequence of optimizer names, but got the string {references!r}"
        )
    grid = grid_runs(runs)
    grid["is_reference"] = grid["optimizer"].isin(list(references))
    cells = cell_means(grid, ["is_reference", "task", "label", "lr", "weight_decay"])
    # within a task the cells of references come first, where there are any
    best = cells.sort_values(
        ["task", "is_reference", "val_error"], ascending=[True, False, True], kind="stable"
    )
    table = best.drop_duplicates("task")[["task", "is_reference", "val_error"]]
    table = table.merge(
        grid[["task", "chance_error"]].drop_duplicates("task"), on="task", validate="one_to_one"
    )
    table["d_w"] = rounded(table["chance_error"] - table["val_error"], table["task"], runs)
    present = grid.loc[grid["is_reference"], ["task", "optimizer"]].drop_duplicates().sort_values("optimizer")
    names = present.groupby("task")["optimizer"].agg(", ".join).rename("d_w_source").reset_index()
    table = table.merge(names.astype("str"), on="task", how="left", validate="one_to_one")
    table["d_w_source"] = table["d_w_source"].fillna("all labels")
    return table[["task", "d_w", "d_w_source"]]


def tolerances(runs: pd.DataFrame, delta: float, tasks: pd.Series) -> pd.Series:
    """Return how much worse than the best still counts as nearly as good, for each of some tasks.

    `delta` itself, in error, where a task is judged by error, and `delta * D_w` where it is judged by another metric,
    whose unit may be of any size.

    Args:
        runs: Output of `analysis.trials.errors`.
        delta: A proportion.
        tasks: Names of tasks.
    """
    if "metric" not in runs.columns:
        return pd.Series(delta, index=tasks.index)
    gaps = reference_gaps(runs).set_index("task")["d_w"].clip(lower=0)
    by_error = tasks.isin(runs.loc[runs["metric"] == ERROR.name, "task"])
    return (delta * tasks.map(gaps)).mask(by_error, delta)


def share_lost(runs: pd.DataFrame) -> pd.Series:
    """Compute `min(1, (val_error - reference_error) / D_w)`: the share of what can be learned that a run lost.

    Only the upper end is clipped: values below 0 are the luck of a seed, and clipping them would bias means upwards.

    Args:
        runs: With the columns val_error, reference_error, diverged and d_w.

    Returns:
        The shares; 1 for a diverged run, NaN where d_w is not above 0.
    """
    scale = runs["d_w"].where(runs["d_w"] > 0)
    lost = ((runs["val_error"] - runs["reference_error"]) / scale).clip(upper=1)
    return lost.mask(runs["diverged"] & scale.notna(), 1.0)
