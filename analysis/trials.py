"""The rows that every analysis starts from, checked once and turned into errors.

One row is one training run. `errors` refuses rows that it would have to guess about, and puts the others into one
canonical order, so that no number depends on the order in which a cluster happened to finish its trials. Every
function that takes trials also takes what `errors` returns, so that several tables share one check.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.rounding import rounded, significant
from analysis.row_checks import (
    CELL,
    check_columns,
    check_unique,
    check_values,
    in_order,
    names_in,
    numbers_in,
)
from analysis.task_metric import (
    ERROR,
    METRIC_COLUMNS,
    by_error,
    in_metric,
    named_metrics,
    names_another,
    task_metrics,
)
from analysis.workloads import WORKLOAD, by_workload

REQUIRED: dict[str, str] = {
    "task": "the task's name",
    "optimizer": "the optimizer's name, such as 'adamw'",
    "label": "the optimizer with its fixed variations, such as 'ada2ms(mixing=0.5)'",
    "lr": "the peak learning rate, above 0",
    "weight_decay": "the weight decay, at least 0, or null where it does not apply",
    "grad_scale": "the factor on the loss gradient, above 0",
    "seed": "the integer seed of the run",
    "role": "'grid', 'confirm' or 'search'",
    "status": "'completed', 'diverged' or 'failed'",
    "chance_accuracy": "the accuracy of guessing, a fraction, the same for all rows of a task",
    "val_accuracy": "the final validation accuracy, a fraction",
    "test_accuracy": "the final test accuracy, a fraction",
}
"""The columns that every function here needs, with what they hold; other columns are ignored."""

TRAIN_ACCURACY = {"train_accuracy": "the final training accuracy, a fraction"}
"""The column that the generalization gap needs beside those of `REQUIRED`."""

REQUIRED_METRIC = {
    "metric": "the name of the metric, or null where the row is judged by error",
    "metric_unit": "the metric's unit, or null; '%' where values are fractions that are shown times 100",
    "metric_direction": "'min' or 'max': which values are the better ones",
    "chance_metric": "the metric of knowing nothing, the same for all rows of a task",
    "val_metric": "the final value of the metric on the validation split",
    "test_metric": "the final value of the metric on the test split",
}
"""The columns that rows need in place of the accuracies of `REQUIRED` where they are judged by another metric."""

TRAIN_METRIC = {"train_metric": "the final value of the metric on the training split"}
"""The column that the generalization gap needs beside those of `REQUIRED_METRIC`."""

RUN_COLUMNS = [
    "task", "label", "optimizer", "role", "grad_scale", "lr", "weight_decay", "seed", "chance_error", "val_error",
    "test_error", "diverged", "failed",
]  # fmt: skip
"""The columns of what `errors` returns."""

NAMED = {
    WORKLOAD: "the workload's own name, by which it is known in the place of its task's; null where it has none"
}
"""The column that rows have where one task, with other data, options or budgets, is several workloads."""

AXES = ("lr", "weight_decay", "grad_scale")
"""The numbers that place a run in its grid."""

_NAMES = ("task", "optimizer", "label", "role", "status")
_ACCURACIES = ("chance_accuracy", "val_accuracy", "test_accuracy")


def errors(trials: pd.DataFrame, *, train: bool = False) -> pd.DataFrame:
    """Check the rows and turn accuracies, or the values of the task's metric, into errors.

    `error = min(1 - accuracy, chance error)` for a completed run, where the chance error is `1 - chance_accuracy`:
    what is worse than knowing nothing counts as knowing nothing. A diverged run has the chance error: it must count
    as badly as that instead of dropping out. A failed run has no error (NaN): it says nothing about the optimizer,
    and is counted in `failed`.

    Rows whose column metric is neither null nor 'error' are judged by that metric, and need no accuracy: the error is
    the metric's value, or minus its value where larger ones are better, and the chance error that of chance_metric.

    Rates, decays and scales that are equal but for rounding are equal: see `significant`.

    Args:
        trials: One row per run, with at least the columns of `REQUIRED`, and those of `REQUIRED_METRIC` where rows
            are judged by another metric than the error; rows may come in any order. Where they have the column of
            `NAMED`, a workload with a name of its own is a task of that name. What this function returned is returned
            as it is.
        train: Whether to ask for the column train_accuracy or train_metric too, and to return train_error.

    Returns:
        One row per run, sorted by task, label, role, grad_scale, lr, weight_decay and seed, with the columns
        task, label, optimizer, role, grad_scale, lr, weight_decay, seed, chance_error, val_error, test_error
        (proportions, or in the metric's unit; smaller is better), the booleans diverged and failed, the columns
        metric, metric_unit and metric_direction where a task is not judged by error, and train_error where asked for.

    Raises:
        ValueError: A column is missing or holds what it must not; two successful runs share a cell and a
            seed; a label belongs to two optimizers; a task has two metrics, or two chance accuracies. No rows at all
            are allowed.
    """
    tail = ["train_error"] if train else []
    if is_checked(trials) and {*tail} <= set(trials.columns):
        return trials
    trials = by_workload(trials)
    held = _held(trials, train=train)
    check_columns(trials, held)
    columns = {name: names_in(trials, name, held[name]) for name in _NAMES}
    for name in held:
        if name not in _NAMES and name not in METRIC_COLUMNS:
            columns[name] = numbers_in(trials, name, held[name])
    runs = with_significant(pd.DataFrame(columns))
    runs["diverged"] = (runs["status"] == "diverged").to_numpy(dtype=bool)
    runs["failed"] = (runs["status"] == "failed").to_numpy(dtype=bool)
    is_error, sign = pd.Series(True, index=runs.index), pd.Series(1.0, index=runs.index)
    if not by_error(task_metrics(trials)):
        runs[[*METRIC_COLUMNS]] = named_metrics(trials).reset_index(drop=True).astype("str")
        tail = [*METRIC_COLUMNS, *tail]
        is_error = runs["metric"] == ERROR.name
        sign = runs["metric_direction"].map({"min": 1.0, "max": -1.0}).astype(float)
    check_values(runs, held, is_error, sign)
    splits = ("val", "test", "train") if train else ("val", "test")
    chance = runs["chance_error"] = _oriented(runs, "chance", is_error, sign)
    for split in splits:
        values = _oriented(runs, split, is_error, sign)
        runs[f"{split}_error"] = capped(values, chance, runs["diverged"], runs["failed"])
    runs["seed"] = runs["seed"].astype("int64")
    runs = in_order(runs)
    check_unique(runs)
    return runs[[*RUN_COLUMNS, *tail]]


def is_checked(trials: pd.DataFrame) -> bool:
    """Say whether a table is what `errors` returns: it has those columns, and no accuracies to turn into errors."""
    return set(RUN_COLUMNS) <= set(trials.columns) and not {"status", "val_accuracy"} & set(trials.columns)


def has_train(trials: pd.DataFrame) -> bool:
    """Say whether rows have what the generalization gap needs: train_accuracy, or train_metric, or train_error.

    A training function need not report its training split: then completed runs have nulls there.
    """
    if is_checked(trials):
        return "train_error" in trials.columns
    needed = _held(trials, train=True).keys() & {*TRAIN_ACCURACY, *TRAIN_METRIC}
    if not needed <= set(trials.columns) or "status" not in trials.columns:
        return needed <= set(trials.columns)
    completed = trials.loc[trials["status"] == "completed", [*needed]]
    return completed.empty or bool(completed.notna().any(axis=1).all())


def in_own_metric(table: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return a table of errors as the rows that it was made from are: rows give their metrics, errors give errors.

    Args:
        table: As `analysis.task_metric.in_metric` takes it.
        trials: The rows, whose metrics the table is to show, or the output of `errors`, for which it is returned as
            it is.
    """
    return table if is_checked(trials) else in_metric(table, task_metrics(trials))


def error_of(
    accuracy: pd.Series, chance_error: pd.Series, diverged: pd.Series, failed: pd.Series
) -> pd.Series:
    """Return `1 - accuracy`, at most the chance error, which diverged runs have; NaN where a run failed."""
    return capped(1 - accuracy, chance_error, diverged, failed)


def capped(values: pd.Series, chance: pd.Series, diverged: pd.Series, failed: pd.Series) -> pd.Series:
    """Return errors, at most those of chance, which diverged runs have; NaN where a run failed."""
    return values.clip(upper=chance).mask(diverged, chance).mask(failed)


def _oriented(runs: pd.DataFrame, split: str, is_error: pd.Series, sign: pd.Series) -> pd.Series:
    """Return the errors of a split, or of knowing nothing ('chance'), before they are capped."""
    nothing = pd.Series(np.nan, index=runs.index)
    of_accuracy = 1 - runs.get(f"{split}_accuracy", nothing)
    if is_error.all():
        return of_accuracy
    values = runs.get(f"{split}_metric", nothing) * sign
    # what knowing nothing gives may be computed on several machines, and is to be one number
    values = pd.Series(significant(values)) if split == "chance" else values
    return values.mask(is_error, of_accuracy)


def _held(trials: pd.DataFrame, *, train: bool) -> dict[str, str]:
    """Return the columns that these rows need, with what they hold."""
    held = REQUIRED | (TRAIN_ACCURACY if train else {})
    by_metric = names_another(trials)
    if not by_metric.any():
        return held
    of_metric = REQUIRED_METRIC | (TRAIN_METRIC if train else {})
    failed = trials["status"].isin(["failed"]) if "status" in trials.columns else False
    if (by_metric | (trials["metric"].isna() & failed)).all():
        held = {name: text for name, text in REQUIRED.items() if name not in _ACCURACIES}
    return held | of_metric


def with_significant(trials: pd.DataFrame, names: Iterable[str] = AXES) -> pd.DataFrame:
    """Return a table with those of the columns `names` that hold fractions rounded by `significant`."""
    columns = [name for name in names if name in trials and pd.api.types.is_float_dtype(trials[name])]
    rounded = {name: significant(trials[name].to_numpy(dtype=float, na_value=np.nan)) for name in columns}
    return trials.assign(**rounded)


def at_scale_one(grad_scale: ArrayLike) -> np.ndarray:
    """Say which gradient scales are 1, where cells are selected; written scales may miss it by rounding.

    Examples:
        >>> at_scale_one([1.0, 1.0 + 1e-12, 1000.0]).tolist()
        [True, True, False]
    """
    return np.isclose(np.asarray(grad_scale, dtype=float), 1.0, rtol=1e-9, atol=0)


def runs_at_scale_one(runs: pd.DataFrame, roles: Iterable[str] = ("grid",)) -> pd.DataFrame:
    """Return the rows of `errors` at gradient scale 1, failed ones included."""
    keep = runs["role"].isin(list(roles)) & at_scale_one(runs["grad_scale"])
    return runs[keep].reset_index(drop=True)


def grid_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `errors` that belong to the grid at gradient scale 1 and did not fail."""
    runs = runs_at_scale_one(runs)
    return runs[~runs["failed"]].reset_index(drop=True)


def labels_of(runs: pd.DataFrame) -> pd.DataFrame:
    """Return every task, label and optimizer of the rows, so that no label vanishes from a table."""
    return runs[["task", "label", "optimizer"]].drop_duplicates(["task", "label"], ignore_index=True)


def check_proportion(name: str, value: float) -> None:
    """Raise a ValueError unless a tolerance such as `delta` lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be in [0, 1], but got {value}")


def cell_means(runs: pd.DataFrame, keys: Iterable[str] = CELL, value: str = "val_error") -> pd.DataFrame:
    """Average a column over seeds, keeping cells whose weight decay is null.

    Means are rounded as `rounded` does it, so that cells which tie exactly also tie in floating point.

    Returns:
        One row per cell, sorted by `keys` (null last), with the columns of `keys`, `value` and `seeds`, the
        number of values that were averaged.
    """
    cells = runs.groupby(list(keys), dropna=False, sort=True)[value].agg(["mean", "count"]).reset_index()
    cells["mean"] = rounded(cells["mean"], cells["task"], runs)
    return cells.rename(columns={"mean": value, "count": "seeds"})


def bits_per_character(trials: pd.DataFrame) -> pd.DataFrame:
    """Add bits per character, `loss / ln 2`, beside the losses in nats of the tasks `char-lm` and `char-lm/…`.

    Args:
        trials: With the columns task, train_loss, val_loss and test_loss.

    Returns:
        `trials` with the columns train_bits, val_bits and test_bits; missing for other tasks.
    """
    text = trials["task"].str.partition("/")[0] == "char-lm"
    splits = ("train", "val", "test")
    return trials.assign(
        **{f"{split}_bits": (trials[f"{split}_loss"] / math.log(2)).where(text) for split in splits}
    )
