"""What a point of a search is scored by: the mean of one of ``analysis``'s metrics over seeds, and its interval.

A point is scored on the rows of its own surface and of the references, never on those of other points: its score does
not depend on what else was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.metrics.sensitivity import mean_sensitivity, sensitivity
from analysis.metrics.transfer_regret import mean_transfer_regret, transfer_regret
from analysis.metrics.width import width_at
from analysis.statistics.intervals import mean_interval
from analysis.task_metric import TaskMetric, in_metric, task_metrics
from analysis.trials import CELL, grid_runs
from robustness.tasks import BaseTask

Direction = Literal["minimize", "maximize"]


@dataclass(frozen=True)
class Objective:
    """A score.

    Attributes:
        direction: ``minimize`` or ``maximize``; None: as the task's metric says.
        of: Computes it from the output of ``analysis.trials.errors`` and of ``selected_cells``; one row per label.
        worst: The score of a point none of whose runs learned anything; None stands for that of knowing nothing.
    """

    direction: Direction | None
    of: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]
    worst: float | None


def _best_value(runs: pd.DataFrame, selected: pd.DataFrame) -> pd.DataFrame:
    """Return val_error, or val_metric where the task is judged by another metric."""
    at_best = grid_runs(runs).merge(selected.loc[selected["seeds"] > 0, CELL], on=CELL)
    means = mean_interval(at_best, "val_error", ["task", "label"]).rename(columns={"mean": "val_error"})
    return in_metric(means, task_metrics(runs))


def _width(runs: pd.DataFrame, selected: pd.DataFrame) -> pd.DataFrame:
    # against the best of all: a surface that is flat but bad is wide only by its own standard
    table = width_at(runs, selected).rename(columns={"width_global": "width"})
    return table.assign(low=float("nan"), high=float("nan"))


OBJECTIVES: dict[str, Objective] = {
    "val_error": Objective("minimize", _best_value, None),
    "val_metric": Objective(None, _best_value, None),
    "sensitivity": Objective("minimize", lambda runs, _: mean_sensitivity(sensitivity(runs)), 1.0),
    "transfer_regret": Objective(
        "minimize", lambda runs, _: mean_transfer_regret(transfer_regret(runs)), 1.0
    ),
    "width": Objective("maximize", _width, 0.0),
}
"""What a search may optimize, by the name that its study file gives.

``val_error`` is there for tasks that are judged by error, ``val_metric`` for those that are judged by another metric.
"""


def metric_of(task: BaseTask) -> TaskMetric:
    """Return what a task is judged by, as analysis knows it."""
    return TaskMetric(task.metric.name, task.metric.unit, task.metric.direction)


def directions(names: Iterable[str], metric: TaskMetric) -> dict[str, Direction]:
    """Return the direction of objectives for a task that is judged by ``metric``."""
    own: Direction = "maximize" if metric.direction == "max" else "minimize"
    return {name: OBJECTIVES[name].direction or own for name in names}
