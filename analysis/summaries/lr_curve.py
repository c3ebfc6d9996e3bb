"""Curves over the learning rate: means over seeds with intervals, at each label's selected weight decay."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.selection import selected_cells
from analysis.statistics.intervals import mean_interval
from analysis.task_metric import in_metric, task_metrics
from analysis.trials import errors, grid_runs, with_significant
from analysis.workloads import by_workload

CURVE_METRICS = ("val_error", "test_error", "val_metric", "test_metric", "train_loss", "val_loss")
"""What a curve can show; an error and a metric both stand for what the task is judged by."""

_KEY = ["task", "label", "optimizer", "lr", "weight_decay"]


def lr_curve(trials: pd.DataFrame, *, metric: str = "val_error") -> pd.DataFrame:
    """Average the grid over seeds along the learning rate, at each label's selected weight decay.

    A diverged run counts as chance error, or as the loss at initialization: it must not drop out. What is worse
    counts as no worse than that. A failed run is left out.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them; for a loss, also with its column and init_loss.
        metric: One of `CURVE_METRICS`. val_error and val_metric say the same, as test_error and test_metric do.

    Returns:
        One row per task, label and lr at gradient scale 1, with the columns task, label, optimizer, lr,
        weight_decay, `metric` (mean over seeds: a proportion, or a loss), sd, n, low, high (95 % t-interval),
        relative (lr divided by that of the selected cell) and level (the task's chance error, or its mean loss
        at initialization). Where a task is not judged by error, val_metric or test_metric, in the metric's own
        values, stand in place of val_error or test_error, level is that of knowing nothing, and the columns metric,
        unit and direction are there.

    Raises:
        ValueError: The rows are not as `REQUIRED` says, lack the loss, or the metric has another name.
    """
    if metric not in CURVE_METRICS:
        raise ValueError(f"metric must be one of {', '.join(CURVE_METRICS)}, but got {metric!r}")
    trials = by_workload(trials)
    runs = errors(trials)
    selected = selected_cells(runs)
    of_loss = metric.endswith("loss")
    metric = metric if of_loss else metric.replace("metric", "error")
    used = _with_loss(runs, trials, metric) if of_loss else grid_runs(runs)
    level = "init_loss" if of_loss else "chance_error"
    cells = selected.loc[selected["seeds"] > 0, ["task", "label", "weight_decay", "lr"]]
    used = used.merge(cells.rename(columns={"lr": "best_lr"}), on=["task", "label", "weight_decay"])
    table = mean_interval(used, metric, [*_KEY, "best_lr"]).rename(columns={"mean": metric})
    levels = used.groupby("task")[level].mean().rename("level").reset_index()
    table = table.merge(levels, on="task", validate="many_to_one")
    table = table.assign(relative=table["lr"] / table["best_lr"]).drop(columns="best_lr")
    return table if of_loss else in_metric(table, task_metrics(runs))


def _with_loss(runs: pd.DataFrame, trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return `grid_runs` with a loss, at most the one that a run started with, which a diverged run has."""
    missing = [name for name in (metric, "init_loss") if name not in trials.columns]
    if missing:
        raise ValueError(
            f"trials must have the column {missing[0]!r}, but has {sorted(map(str, trials.columns))}"
        )
    used = trials[(trials["role"] == "grid") & (trials["status"] != "failed")]
    key = ["task", "label", "lr", "weight_decay", "grad_scale", "seed"]
    numbers = {
        name: used[name].to_numpy(dtype=float, na_value=np.nan) for name in [*key[2:], metric, "init_loss"]
    }
    losses = used[["task", "label"]].astype("str").assign(**numbers).astype({"seed": "int64"})
    losses = with_significant(losses)
    grid = grid_runs(runs).merge(losses, on=key, validate="one_to_one")
    known = grid[metric].clip(upper=grid["init_loss"])
    return grid.assign(**{metric: known.mask(grid["diverged"], grid["init_loss"])})
