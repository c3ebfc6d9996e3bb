"""The columns of a row, of a learning curve and of second moments; rows of any age read by today's rule.

A run has diverged if its loss or its parameters became non-finite. Up to version 0.1.0 a finite run that ended above
its initial training loss was called diverged too: such a row is read as completed, and nothing on disk is rewritten.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from studies.planning.known_metric import UNNAMED, KnownMetric

if TYPE_CHECKING:
    import pandas as pd

HYPERPARAMETERS = {
    "momentum": pa.float64(),
    "nesterov": pa.bool_(),
    "beta1": pa.float64(),
    "beta2": pa.float64(),
    "eps": pa.float64(),
    "mixing": pa.float64(),
    "mixing_end": pa.float64(),
    "mixing_steps": pa.int64(),
    "mixing_schedule": pa.string(),
    "scope": pa.string(),
    "exponent": pa.float64(),
    "p": pa.float64(),
    "q": pa.float64(),
    "switch_rate": pa.float64(),
}

OTHERS = "hyperparameters"
"""The column of those that have no column of their own, or do not fit it: JSON with sorted keys."""

ROW_SCHEMA = pa.schema(
    {
        "trial_id": pa.string(),
        "study": pa.string(),
        "task": pa.string(),
        "workload": pa.string(),
        "optimizer": pa.string(),
        "label": pa.string(),
        "lr": pa.float64(),
        "weight_decay": pa.float64(),
        "grad_scale": pa.float64(),
        "seed": pa.int64(),
        "role": pa.string(),
        "epochs": pa.int64(),
        "batch_size": pa.int64(),
        "schedule": pa.string(),
        "setup": pa.string(),
        "task_version": pa.string(),
        "task_code": pa.string(),
        **HYPERPARAMETERS,
        OTHERS: pa.string(),
        "status": pa.string(),
        "stopped_step": pa.int64(),
        "reason": pa.string(),
        "init_loss": pa.float64(),
        "final_over_initial": pa.float64(),
        "chance_accuracy": pa.float64(),
        "metric": pa.string(),
        "metric_unit": pa.string(),
        "metric_direction": pa.string(),
        "chance_metric": pa.float64(),
        "train_loss": pa.float64(),
        "train_accuracy": pa.float64(),
        "train_metric": pa.float64(),
        "val_loss": pa.float64(),
        "val_accuracy": pa.float64(),
        "val_metric": pa.float64(),
        "test_loss": pa.float64(),
        "test_accuracy": pa.float64(),
        "test_metric": pa.float64(),
        "lambda_max": pa.float64(),
        "hessian_trace": pa.float64(),
        "hessian_trace_se": pa.float64(),
        "sam_sharpness": pa.float64(),
        "wall_seconds": pa.float64(),
        "device": pa.string(),
        "worker": pa.string(),
        "pack_id": pa.string(),
        "engine": pa.string(),
        "version": pa.string(),
    }
)
CURVE_SCHEMA = pa.schema(
    {
        "trial_id": pa.string(),
        "epoch": pa.int64(),
        "split": pa.string(),
        "loss": pa.float64(),
        "accuracy": pa.float64(),
        "metric": pa.float64(),
    }
)
DIAGNOSTIC_SCHEMA = pa.schema(
    {
        "trial_id": pa.string(),
        "epoch": pa.int64(),
        "layer": pa.string(),
        "elements": pa.int64(),
        "zeros": pa.float64(),
        "log_v_low": pa.float64(),
        "log_v_median": pa.float64(),
        "log_v_high": pa.float64(),
        "log_global": pa.float64(),
    }
)


def hyperparameter_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a trial's hyperparameters; ``lr`` and ``weight_decay`` are no part of them."""
    columns = {
        name: values.get(name) if _fits(values.get(name), kind) else None
        for name, kind in HYPERPARAMETERS.items()
    }
    others = {
        name: value
        for name, value in values.items()
        if name not in ("lr", "weight_decay") and (name not in columns or columns[name] is not value)
    }
    return columns | {OTHERS: json.dumps(others, sort_keys=True, separators=(",", ":")) if others else None}


def _fits(value: Any, kind: pa.DataType) -> bool:
    if value is None or isinstance(value, bool):
        return value is None or pa.types.is_boolean(kind)
    if pa.types.is_floating(kind):
        return isinstance(value, int | float)
    return isinstance(value, str if pa.types.is_string(kind) else int) and not pa.types.is_boolean(kind)


def hyperparameter(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return the values of a hyperparameter in ``rows``, wherever they are kept; null where a row has none."""
    others = (
        rows[OTHERS]
        .map(json.loads, na_action="ignore")
        .map(lambda values: values.get(name), na_action="ignore")
    )
    return rows[name].where(rows[name].notna(), others) if name in HYPERPARAMETERS else others


FINAL_LOSSES = ["train_loss", "val_loss", "test_loss"]


def final_over_initial(final: ArrayLike, initial: ArrayLike) -> NDArray[np.float64]:
    """Return the final training loss over the loss at initialization.

    NaN where either is missing or not finite, and where the initial loss is not above 0: a ratio says nothing then.
    """
    last, first = np.asarray(final, dtype=float), np.asarray(initial, dtype=float)
    known = np.isfinite(last) & np.isfinite(first) & (first > 0)
    return np.where(known, last, np.nan) / np.where(known, first, 1.0)


def by_losses(rows: pd.DataFrame) -> pd.DataFrame:
    """Read rows of any age by today's rule of what divergence is.

    Args:
        rows: Stored rows, with the columns of ``ROW_SCHEMA``.

    Returns:
        The rows. Those that are ``diverged``, were never stopped and end with finite losses are ``completed``,
        without a reason; ``final_over_initial`` is filled in where a row lacks it and has the losses.
    """
    finite = np.isfinite(rows[FINAL_LOSSES].to_numpy(dtype=float)).all(axis=1)
    unstopped = (rows["status"] == "diverged") & rows["stopped_step"].isna()
    completed = unstopped.to_numpy(dtype=bool) & finite
    stored = rows["final_over_initial"]
    return rows.assign(
        status=rows["status"].mask(completed, "completed"),
        reason=rows["reason"].mask(completed),
        final_over_initial=stored.where(
            stored.notna(), final_over_initial(rows["train_loss"], rows["init_loss"])
        ),
    )


def by_metric(rows: pd.DataFrame, task: str, metric: KnownMetric) -> pd.DataFrame:
    """Judge rows of another metric by the one that a folder remembers, as far as their numbers allow.

    Args:
        rows: Stored rows, with the columns of ``ROW_SCHEMA``.
        task: The task that is remembered; rows of others are left as they are.
        metric: Its metric. Where it follows from loss or accuracy, all rows are judged by it; else those alone that
            have no numbers, of trials that were stopped or have failed.
    """
    other = (rows["task"] == task) & metric.other(rows)
    if not metric.derived:
        other &= rows["val_loss"].isna()
    if not other.any():
        return rows
    now = {"metric": metric.name, "metric_unit": metric.unit, "metric_direction": metric.direction}
    columns = {name: rows[name].mask(other, value) for name, value in now.items()}
    nothing = np.nan if metric.nothing is None else metric.nothing
    columns["chance_metric"] = rows["chance_metric"].mask(other, nothing)
    for split in ("train", "val", "test"):
        values = metric.value(rows[f"{split}_loss"], rows[f"{split}_accuracy"]) if metric.derived else np.nan
        columns[f"{split}_metric"] = rows[f"{split}_metric"].mask(other, values)
    return rows.assign(**columns)


def points_by_metric(points: pa.Table, rows: pa.Table, task: str, metric: KnownMetric) -> pa.Table:
    """Judge points of learning curves likewise; those whose metric does not follow from their numbers have none.

    Args:
        points: With the columns of ``CURVE_SCHEMA``.
        rows: The columns ``trial_id``, ``task`` and ``metric`` of the stored rows.
        task: As for ``by_metric``.
        metric: Likewise.
    """
    named = pc.fill_null(rows["metric"], UNNAMED)
    others = pc.and_(pc.equal(rows["task"], task), pc.not_equal(named, metric.name))
    ids = rows.filter(others)["trial_id"]
    if not len(ids):
        return points
    column = points["metric"]
    if metric.derived:
        loss, accuracy = (points[name].to_pandas().astype(float) for name in ("loss", "accuracy"))
        values = pa.array(metric.value(loss, accuracy), from_pandas=True).cast(column.type)
    else:
        values = pa.scalar(None, column.type)
    filled = pc.if_else(pc.is_in(points["trial_id"], pc.unique(ids)), values, column)
    return points.set_column(points.schema.get_field_index("metric"), "metric", filled)
