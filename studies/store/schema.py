"""The columns of a row, of a learning curve and of second moments, as they are stored."""

from __future__ import annotations

import pyarrow as pa

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
        "chance_accuracy": pa.float64(),
        "train_loss": pa.float64(),
        "train_accuracy": pa.float64(),
        "val_loss": pa.float64(),
        "val_accuracy": pa.float64(),
        "test_loss": pa.float64(),
        "test_accuracy": pa.float64(),
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
