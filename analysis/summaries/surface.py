"""Slices of the sensitivity surface: accuracy or metric over two of lr, weight decay and gradient scale."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.selection import selected_cells
from analysis.task_metric import by_error, in_metric, task_metrics
from analysis.trials import AXES, at_scale_one, errors

SURFACE_METRICS = {
    "val_accuracy": "val_error",
    "test_accuracy": "test_error",
    "val_metric": "val_error",
    "test_metric": "test_error",
}
"""What a surface can show, with the errors that it is computed from."""


def surface(
    trials: pd.DataFrame,
    *,
    x: str = "lr",
    y: str = "weight_decay",
    metric: str = "val_accuracy",
    at: float | None = None,
) -> pd.DataFrame:
    """Average the grid's seeds over a plane of two of lr, weight_decay and grad_scale.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        x: One of `AXES`.
        y: Another of `AXES`.
        metric: 'val_accuracy' or 'test_accuracy'; 'val_metric' and 'test_metric' say the same. What is shown is the
            accuracy where all tasks are judged by error, and else the task's metric.
        at: The value of the third axis; None means gradient scale 1, or each label's selected lr or weight
            decay.

    Returns:
        One row per cell, sorted by task, label, x and y, with the columns task, label, optimizer, those named
        by x and y, val_accuracy or test_accuracy (mean fraction over seeds; a diverged seed counts as chance; NaN
        where every seed failed), seeds (usable ones), diverged (share of the usable seeds), failed (number of seeds)
        and best (True for the selected cell, which exists at most once per task and label, and only at gradient
        scale 1). Where a task is not judged by error, val_metric or test_metric, the mean of each task's metric,
        stands in place of the accuracy, and the columns metric, unit and direction follow optimizer.

    Raises:
        ValueError: The rows are not as `REQUIRED` says, or an axis or the metric has another name.
    """
    for name, axis in (("x", x), ("y", y)):
        if axis not in AXES:
            raise ValueError(f"{name} must be one of {', '.join(AXES)}, but got {axis!r}")
    if x == y:
        raise ValueError(f"x and y must differ, but both are {x!r}")
    if metric not in SURFACE_METRICS:
        raise ValueError(f"metric must be one of {', '.join(SURFACE_METRICS)}, but got {metric!r}")
    runs = errors(trials)
    selected = selected_cells(runs).assign(grad_scale=1.0)
    (third,) = set(AXES) - {x, y}
    plane = _slice(runs[runs["role"] == "grid"], third, at, selected)
    metrics, error = task_metrics(runs), SURFACE_METRICS[metric]
    shown = error
    if by_error(metrics):
        shown = error.replace("error", "accuracy")
        plane = plane.assign(**{shown: 1 - plane[error]})
    plane = plane.assign(seeds=~plane["failed"])
    cells = plane.groupby(["task", "label", "optimizer", x, y, third], dropna=False, as_index=False).agg(
        **{shown: (shown, "mean")},
        seeds=("seeds", "sum"),
        diverged=("diverged", "sum"),
        failed=("failed", "sum"),
    )
    cells["diverged"] = cells["diverged"] / cells["seeds"].where(cells["seeds"] > 0)
    chosen = selected.loc[selected["seeds"] > 0, ["task", "label", *AXES]].assign(best=True)
    cells = cells.merge(chosen, on=["task", "label", *AXES], how="left", validate="one_to_one")
    cells["best"] = cells["best"].eq(True)
    return in_metric(cells.drop(columns=third), metrics)


def _slice(runs: pd.DataFrame, third: str, at: float | None, selected: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows where the third axis is `at`, or is the label's selected value."""
    if at is None and third == "grad_scale":
        return runs[at_scale_one(runs[third])]
    if at is not None:
        return runs[np.isclose(runs[third], at, rtol=1e-9, atol=0)]
    known = selected.loc[selected["seeds"] > 0, ["task", "label", third]]
    return runs.merge(known, on=["task", "label", third], validate="many_to_one")
