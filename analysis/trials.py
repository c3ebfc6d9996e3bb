"""The rows that every analysis starts from, checked once and turned into errors.

One row is one training run. `errors` refuses rows that it would have to guess about, and puts the others into one
canonical order, so that no number depends on the order in which a cluster happened to finish its trials. Every
function that takes trials also takes what `errors` returns, so that several tables share one check.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

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

RUN_COLUMNS = [
    "task", "label", "optimizer", "role", "grad_scale", "lr", "weight_decay", "seed", "chance_error", "val_error",
    "test_error", "diverged", "failed",
]  # fmt: skip
"""The columns of what `errors` returns."""

_HELD = REQUIRED | TRAIN_ACCURACY

AXES = ("lr", "weight_decay", "grad_scale")
"""The numbers that place a run in its grid."""

CELL = ["task", "label", "lr", "weight_decay"]
"""What names a cell at one gradient scale."""

_NAMES = ("task", "optimizer", "label", "role", "status")
_ALLOWED = {"role": ("grid", "confirm", "search"), "status": ("completed", "diverged", "failed")}


def errors(trials: pd.DataFrame, *, train: bool = False) -> pd.DataFrame:
    """Check the rows and turn accuracies into errors.

    `error = min(1 - accuracy, chance error)` for a completed run, where the chance error is `1 - chance_accuracy`:
    what is worse than knowing nothing counts as knowing nothing. A diverged run has the chance error: it must count
    as badly as that instead of dropping out. A failed run has no error (NaN): it says nothing about the optimizer,
    and is counted in `failed`.

    Rates, decays and scales that are equal but for rounding are equal: see `significant`.

    Args:
        trials: One row per run, with at least the columns of `REQUIRED`; rows may come in any order. What this
            function returned is returned as it is.
        train: Whether to ask for the column train_accuracy too, and to return train_error.

    Returns:
        One row per run, sorted by task, label, role, grad_scale, lr, weight_decay and seed, with the columns
        task, label, optimizer, role, grad_scale, lr, weight_decay, seed, chance_error, val_error, test_error
        (proportions), the booleans diverged and failed, and train_error where asked for.

    Raises:
        ValueError: A column is missing or holds what it must not; two successful runs share a cell and a
            seed; a label belongs to two optimizers; a task has two chance accuracies. No rows at all are
            allowed.
    """
    tail = ["train_error"] if train else []
    if _is_checked(trials, tail):
        return trials
    held = _HELD if train else REQUIRED
    _check_columns(trials, held)
    columns: dict[str, pd.Series] = {name: _names(trials, name) for name in _NAMES}
    for name in held:
        if name not in _NAMES:
            columns[name] = _numbers(trials, name)
    runs = with_significant(pd.DataFrame(columns))
    runs["diverged"] = (runs["status"] == "diverged").to_numpy(dtype=bool)
    runs["failed"] = (runs["status"] == "failed").to_numpy(dtype=bool)
    _check_values(runs)
    chance = 1 - runs["chance_accuracy"]
    runs["chance_error"] = chance
    splits = ("val", "test", "train") if train else ("val", "test")
    for split in splits:
        accuracy = runs[f"{split}_accuracy"]
        runs[f"{split}_error"] = error_of(accuracy, chance, runs["diverged"], runs["failed"])
    runs["seed"] = runs["seed"].astype("int64")
    runs = _in_order(runs)
    _check_unique(runs)
    return runs[[*RUN_COLUMNS, *tail]]


def _is_checked(trials: pd.DataFrame, tail: list[str]) -> bool:
    """Say whether a table is what `errors` returns: it has those columns, and no accuracies to turn into errors."""
    return {*RUN_COLUMNS, *tail} <= set(trials.columns) and not {"status", "val_accuracy"} & set(
        trials.columns
    )


def error_of(
    accuracy: pd.Series, chance_error: pd.Series, diverged: pd.Series, failed: pd.Series
) -> pd.Series:
    """Return `1 - accuracy`, at most the chance error, which diverged runs have; NaN where a run failed."""
    return (1 - accuracy).clip(upper=chance_error).mask(diverged, chance_error).mask(failed)


def significant(values: ArrayLike) -> np.ndarray:
    """Round numbers to 12 significant digits, so that those which are equal but for rounding are equal.

    A rate that was computed, or written to text and read back, may miss another by its last bit; without this they
    would be two cells, each with a part of the seeds.

    Examples:
        >>> significant([0.1, 0.10000000000000002, 0.100000000001]).tolist()
        [0.1, 0.1, 0.100000000001]
    """
    numbers = np.asarray(values, dtype=float)
    distinct, index = np.unique(numbers, return_inverse=True)
    return np.array([float(f"{number:.12g}") for number in distinct])[index].reshape(numbers.shape)


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

    Means are rounded to 12 decimals, so that cells which tie exactly also tie in floating point.

    Returns:
        One row per cell, sorted by `keys` (null last), with the columns of `keys`, `value` and `seeds`, the
        number of values that were averaged.
    """
    cells = runs.groupby(list(keys), dropna=False, sort=True)[value].agg(["mean", "count"]).reset_index()
    cells["mean"] = cells["mean"].round(12)
    return cells.rename(columns={"mean": value, "count": "seeds"})


def _check_columns(trials: pd.DataFrame, held: Mapping[str, str]) -> None:
    missing = [name for name in held if name not in trials.columns]
    if missing:
        wanted = "; ".join(f"'{name}' ({held[name]})" for name in missing)
        raise ValueError(f"trials must have the column {wanted}, but has {sorted(map(str, trials.columns))}")


def _names(trials: pd.DataFrame, name: str) -> pd.Series:
    column = trials[name]
    if column.isna().any():
        raise ValueError(f"{name} must hold {REQUIRED[name]}, but is null in {int(column.isna().sum())} rows")
    return column.astype("str").reset_index(drop=True)


def _numbers(trials: pd.DataFrame, name: str) -> pd.Series:
    try:
        values = trials[name].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold {_HELD[name]}, but got dtype {trials[name].dtype}") from error
    return pd.Series(values)


def _check_values(runs: pd.DataFrame) -> None:
    everywhere = pd.Series(True, index=runs.index)
    for name, allowed in _ALLOWED.items():
        _require(runs, name, everywhere, runs[name].isin(allowed))
    for name in ("lr", "grad_scale"):
        _require(runs, name, everywhere, (runs[name] > 0) & np.isfinite(runs[name]))
    _require(runs, "seed", everywhere, runs["seed"] % 1 == 0)
    decay = runs["weight_decay"]
    _require(runs, "weight_decay", decay.notna(), (decay >= 0) & np.isfinite(decay))
    _require(runs, "chance_accuracy", ~runs["failed"], runs["chance_accuracy"].between(0, 1))
    completed = runs["status"] == "completed"
    _require(runs, "val_accuracy", completed, runs["val_accuracy"].between(0, 1))
    for name in ("test_accuracy", *(TRAIN_ACCURACY if "train_accuracy" in runs else ())):
        _require(runs, name, completed & (runs["role"] != "search"), runs[name].between(0, 1))


def _require(runs: pd.DataFrame, name: str, where: pd.Series, holds: pd.Series) -> None:
    broken = where & ~holds
    if broken.any():
        row = runs[broken].iloc[0]
        raise ValueError(
            f"{name} must hold {_HELD[name]}, but {int(broken.sum())} rows do not, the first of them with "
            f"{row[name]} (label {row['label']}, seed {row['seed']:g}, status {row['status']})"
        )


def _in_order(runs: pd.DataFrame) -> pd.DataFrame:
    task, label, role = (pd.factorize(runs[name], sort=True)[0] for name in ("task", "label", "role"))
    order = np.lexsort(
        (runs["seed"], runs["weight_decay"], runs["lr"], runs["grad_scale"], role, label, task)
    )
    return runs.take(order).reset_index(drop=True)


def _check_unique(runs: pd.DataFrame) -> None:
    used = runs[~runs["failed"] & (runs["role"] != "search")]
    twice = used[used.duplicated([*CELL, "grad_scale", "seed", "role"])]
    if len(twice):
        cell = twice.iloc[0]
        raise ValueError(
            f"a cell and a seed must have one row, but {len(twice)} rows repeat one, the first "
            f"{cell[[*CELL, 'grad_scale', 'seed', 'role']].to_dict()}; analyse one study at a time"
        )
    for keys, name in ((["task", "label"], "optimizer"), (["task"], "chance_error")):
        kinds = runs[~runs["failed"]].drop_duplicates([*keys, name])
        if kinds.duplicated(keys).any():
            which = kinds[kinds.duplicated(keys, keep=False)].iloc[:2]
            raise ValueError(
                f"{' and '.join(keys)} must determine {name}, but {list(which.iloc[0][keys])} has "
                f"{which[name].tolist()}"
            )


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
