"""By what a task's cells are selected and its optimizers judged: the error, or a metric that its rows name.

Inside, every measure is computed on errors (`analysis.trials.errors`): smaller is better. At the boundary
`in_metric` turns a table of errors into one of the metric's own values. Where all tasks are judged by error, the
two are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.workloads import by_workload

Direction = Literal["min", "max"]


@dataclass(frozen=True)
class TaskMetric:
    """What a task's runs are judged by.

    Attributes:
        name: Such as 'macro F1'.
        unit: Such as 'nats'; '%' says that values are fractions which are shown times 100; '' that there is none.
        direction: Whether smaller values are better, 'min', or larger ones, 'max'.
    """

    name: str
    unit: str = ""
    direction: Direction = "min"

    def __str__(self) -> str:
        """Return the name with its unit: 'loss (nats)'."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def sign(self) -> float:
        """What a value is multiplied by so that smaller is better."""
        return -1.0 if self.direction == "max" else 1.0


ERROR = TaskMetric("error", "%", "min")
"""One minus accuracy, by which a task is judged whose rows name no metric."""

METRIC_COLUMNS = ("metric", "metric_unit", "metric_direction")
"""The columns that name a row's metric, in rows and in what `errors` returns."""

SHOWN_COLUMNS = ("metric", "unit", "direction")
"""The columns that name a row's metric in a table that is shown."""

LEVELS = {f"{split}_error": f"{split}_metric" for split in ("val", "test", "train", "chance")}
"""The columns of errors, and what they are called where a task is judged by another metric."""

_NAMES = ("task", "label", "optimizer")
_KEPT = ("tunability", "level", "gap")
"""Values and differences in the metric's unit whose column has the same name for every metric."""


def named_metrics(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the metric of each row: its name, unit and direction, as the columns of `METRIC_COLUMNS`.

    A row that names no metric, or 'error', has `ERROR`. A failed run that names none has that of its task.

    Args:
        trials: Rows, what `errors` returns, or a table that `in_metric` returned.
    """
    trials = by_workload(trials)
    columns = SHOWN_COLUMNS if "direction" in trials.columns else METRIC_COLUMNS
    if not names_another(trials).any():
        return pd.DataFrame(dict(zip(METRIC_COLUMNS, _as_tuple(ERROR), strict=True)), index=trials.index)
    missing = [name for name in columns if name not in trials.columns]
    if missing:
        raise ValueError(f"rows with a metric must have the column {missing[0]!r}, but it is missing")
    found = trials[list(columns)].astype(object).set_axis(METRIC_COLUMNS, axis=1)
    if "status" in trials.columns:
        nameless = found["metric"].isna() & trials["status"].isin(["failed"])
        found = found.where(~nameless, found.groupby(trials["task"]).transform("first"))
    is_error = found["metric"].isna() | found["metric"].isin([ERROR.name])
    for name, value in zip(METRIC_COLUMNS, _as_tuple(ERROR), strict=True):
        found[name] = found[name].mask(is_error, value)
    found["metric_unit"] = found["metric_unit"].mask(found["metric_unit"].isna(), "")
    return found


def names_another(trials: pd.DataFrame) -> pd.Series:
    """Say of each row whether it names another metric than the error."""
    if "metric" not in trials.columns:
        return pd.Series(False, index=trials.index)
    return trials["metric"].notna() & ~trials["metric"].isin([ERROR.name])


def _as_tuple(metric: TaskMetric) -> tuple[str, str, str]:
    return metric.name, metric.unit, metric.direction


def task_metrics(trials: pd.DataFrame) -> dict[str, TaskMetric]:
    """Return the metric of each task.

    Args:
        trials: Rows, what `errors` returns, or a table with the columns of `SHOWN_COLUMNS`, all with a column task.

    Raises:
        ValueError: The rows of a task name two metrics, or a direction that is neither 'min' nor 'max'.
    """
    trials = by_workload(trials)
    if not names_another(trials).any():
        return dict.fromkeys(sorted(map(str, trials["task"].unique())), ERROR)
    named = named_metrics(trials).assign(task=trials["task"].astype("str"))
    metrics: dict[str, TaskMetric] = {}
    for row in named.drop_duplicates().sort_values("task", kind="stable").to_dict("records"):
        if row["metric_direction"] not in ("min", "max"):
            raise ValueError(
                f"metric_direction must be 'min' or 'max', but is {row['metric_direction']!r} for the metric "
                f"{row['metric']!r} of task {row['task']!r}"
            )
        metric = TaskMetric(str(row["metric"]), str(row["metric_unit"]), row["metric_direction"])
        known = metrics.setdefault(str(row["task"]), metric)
        if known != metric:
            raise ValueError(
                f"a task must have one metric, but the rows of task {row['task']!r} have two: "
                f"{known} ({known.direction}) and {metric} ({metric.direction})"
            )
    return metrics


def by_error(metrics: Mapping[str, TaskMetric]) -> bool:
    """Say whether all tasks are judged by error."""
    return all(metric == ERROR for metric in metrics.values())


def value_column(split: str, metrics: Mapping[str, TaskMetric]) -> str:
    """Return the column of a table that is shown which holds the values on 'val', 'test' or 'train'.

    Examples:
        >>> [value_column("test", {"digits": ERROR}), value_column("test", {"text": TaskMetric("loss", "nats")})]
        ['test_error', 'test_metric']
    """
    column = f"{split}_error"
    return column if by_error(metrics) else LEVELS[column]


def in_metric(table: pd.DataFrame, metrics: Mapping[str, TaskMetric]) -> pd.DataFrame:
    """Turn a table of errors into one of the values of each task's metric.

    Args:
        table: With a column task, and any of the columns val_error, test_error, train_error, chance_error,
            tunability, gap and level, with the ends of their intervals: `<name>_low` and `<name>_high`, or low and
            high.
        metrics: The metric of each task.

    Returns:
        Where all tasks are judged by error, the table itself. Otherwise the errors are called val_metric,
        test_metric, train_metric and chance_metric; values and differences of a metric to be maximized have the
        opposite sign, and the ends of their intervals have changed places; and the columns metric, unit and
        direction follow those that name a row.
    """
    if by_error(metrics):
        return table
    of_row = [metrics.get(str(task), ERROR) for task in table["task"]]
    flipped = np.array([metric.sign < 0 for metric in of_row], dtype=bool)
    changed = table.copy()
    levels = [name for name in (*LEVELS, *_KEPT) if name in table.columns]
    ends = [(f"{name}_low", f"{name}_high") for name in levels]
    if levels:
        ends.append(("low", "high"))
    for name in levels:
        changed[name] = _negated(table[name], flipped)
    for low, high in ends:
        if low in table.columns:
            changed[low] = _negated(table[low], flipped).mask(flipped, _negated(table[high], flipped))
            changed[high] = _negated(table[high], flipped).mask(flipped, _negated(table[low], flipped))
    renamed = {f"{old}{end}": f"{new}{end}" for old, new in LEVELS.items() for end in ("", "_low", "_high")}
    changed = changed.rename(columns=renamed)
    place = 1 + max(list(changed.columns).index(name) for name in _NAMES if name in changed.columns)
    for index, name in enumerate(SHOWN_COLUMNS):
        words = [_as_tuple(metric)[index] for metric in of_row]
        changed.insert(place + index, name, pd.Series(words, index=changed.index, dtype="str"))
    return changed


def _negated(values: pd.Series, flipped: np.ndarray) -> pd.Series:
    # from 0, so that there is no -0.0
    return values.mask(flipped, 0.0 - values)
