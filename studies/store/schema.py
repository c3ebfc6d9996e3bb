"""The columns of a row, of a learning curve and of second moments; rows of any age read by today's rule.

A run has diverged if its loss or its parameters became non-finite. Up to version 0.1.0 a finite run that ended above
its initial training loss was called diverged too: such a row is read as completed, and nothing on disk is rewritten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

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

ROW_SCHEMA = pa.schema(
    {
        "trial_id": pa.string(),
        "study": pa.string(),
        "task": pa.string(),
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
