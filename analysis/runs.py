"""Rows of other tools (exports of W&B or MLflow, any CSV file) as the rows that the analysis takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.labels import did_you_mean
from analysis.trials import NAMED, REQUIRED, REQUIRED_METRIC, TRAIN_ACCURACY, TRAIN_METRIC

OPTIONAL: dict[str, str] = {
    **TRAIN_ACCURACY,
    "train_loss": "the final training loss",
    "val_loss": "the final validation loss",
    "test_loss": "the final test loss",
    "epochs": "passes over the training split",
    "batch_size": "examples per step",
    "schedule": "the learning-rate schedule's name",
    **REQUIRED_METRIC,
    **TRAIN_METRIC,
    **NAMED,
}
"""What else rows may hold, and some functions use."""

_FILLED: dict[str, Any] = {"grad_scale": 1.0, "role": "grid", "weight_decay": np.nan}
_ACCURACIES = ("chance_accuracy", "val_accuracy", "test_accuracy", "train_accuracy")
_SHOWN = 12


def from_runs(
    frame: pd.DataFrame,
    columns: Mapping[str, str] | None = None,
    *,
    constants: Mapping[str, Any] | None = None,
    percent: bool = False,
) -> pd.DataFrame:
    """Turn a table of runs into rows as `REQUIRED` describes them.

    A column that `columns` does not name is taken under its own name, where that is free. What is missing is filled
    in where nothing is lost: grad_scale with 1, role with 'grid', weight_decay and metric_unit with null, label with
    the optimizer, and status with 'completed', or 'diverged' where the final validation value is no finite number. A
    run that crashed for another reason has no final value either: where there are such, say so in a column status.

    Args:
        frame: One row per run.
        columns: The frame's name of a column by its name in `REQUIRED` or `OPTIONAL`, as
            `{"lr": "config.lr", "val_accuracy": "val/acc"}`.
        constants: What is the same for all runs and no column of the frame, as `{"task": "cifar10"}`.
        percent: Whether accuracies, those among `constants` too, are percentages, which are divided by 100.

    Returns:
        A new table, the columns of `REQUIRED` first; where a column metric is there, accuracies are not needed.

    Raises:
        ValueError: A column that is needed is missing, `columns` or `constants` name what is not there, or an
            accuracy is above 1.
    """
    columns, constants = dict(columns or {}), dict(constants or {})
    _check_names(frame, columns, constants)
    mine = {name: frame[source] for name, source in columns.items()}
    taken = {*mine, *constants, *columns.values()}
    others = [name for name in frame.columns.drop_duplicates(keep=False) if name not in taken]
    rows = pd.DataFrame(mine | {name: frame[name] for name in others})
    rows = rows.reset_index(drop=True).assign(**constants)
    for name in _ACCURACIES:
        if name in rows:
            rows[name] = _fractions(rows[name], name, percent)
    rows = _filled(rows)
    wanted = {**REQUIRED, **OPTIONAL}
    missing = [name for name in _needed(rows) if name not in rows]
    if missing:
        what = "; ".join(f"{name} ({wanted[name]})" for name in missing)
        raise ValueError(
            f"the runs need {what}: name its column in columns, or its value in constants; the table has "
            f"{_few(frame.columns)}"
        )
    return rows[[*(name for name in REQUIRED if name in rows), *(n for n in rows if n not in REQUIRED)]]


def _check_names(frame: pd.DataFrame, columns: Mapping[str, str], constants: Mapping[str, Any]) -> None:
    known = [*REQUIRED, *OPTIONAL]
    for argument, names in (("columns", columns), ("constants", constants)):
        for name in names:
            if name not in known:
                raise ValueError(
                    f"{argument} must name some of {', '.join(known)}, but got {name!r}{did_you_mean(name, known)}"
                )
    if both := sorted(columns.keys() & constants.keys()):
        raise ValueError(f"a name must be in columns or in constants, but got {both[0]!r} in both")
    for name, source in columns.items():
        count, others = list(frame.columns).count(source), [n for n in map(str, frame.columns) if n != source]
        if count != 1:
            has = "which it has twice" if count else f"and it has {_few(frame.columns)}"
            raise ValueError(
                f"columns[{name!r}] ({(REQUIRED | OPTIONAL)[name]}) must be one column of the table, but got "
                f"{source!r}, {has}{did_you_mean(str(source), others)}"
            )


def _few(names: Iterable[object]) -> str:
    shown = [repr(name) for name in names]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more


def _fractions(values: pd.Series, name: str, percent: bool) -> pd.Series:
    """Return accuracies as fractions."""
    try:
        numbers = pd.to_numeric(values).astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold numbers, but {error}") from None
    numbers = numbers.where(np.isfinite(numbers))
    if percent:
        return numbers / 100
    if numbers.max() > 1:
        raise ValueError(
            f"{name} must hold fractions, but got {numbers.max():g}: divide percentages by 100, or say percent=True"
        )
    return numbers


def _filled(rows: pd.DataFrame) -> pd.DataFrame:
    """Fill in the columns that are missing and say nothing that is not known."""
    rows = rows.assign(**{name: value for name, value in _FILLED.items() if name not in rows})
    if "label" not in rows and "optimizer" in rows:
        rows["label"] = rows["optimizer"]
    if "metric" in rows and "metric_unit" not in rows:
        rows["metric_unit"] = None
    value = "val_metric" if "metric" in rows else "val_accuracy"
    if "status" not in rows and value in rows:
        finite = np.isfinite(pd.to_numeric(rows[value]).astype(float))
        rows["status"] = np.where(finite, "completed", "diverged")
    return rows


def _needed(rows: pd.DataFrame) -> list[str]:
    if "metric" not in rows:
        return list(REQUIRED)
    return [*(name for name in REQUIRED if name not in _ACCURACIES), *REQUIRED_METRIC]
