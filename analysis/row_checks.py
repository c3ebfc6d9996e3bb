"""What the rows of an analysis must hold, checked column by column; each breach is one line.

`analysis.trials` says which columns are needed and what they hold; here they are checked.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

CELL = ["task", "label", "lr", "weight_decay"]
"""What names a cell at one gradient scale."""

_ALLOWED = {"role": ("grid", "confirm", "search"), "status": ("completed", "diverged", "failed")}
"""The words of the columns that hold one of a few."""


def check_columns(trials: pd.DataFrame, held: Mapping[str, str]) -> None:
    """Raise a ValueError that names the columns of `held` that are missing, with what they hold."""
    missing = [name for name in held if name not in trials.columns]
    if missing:
        wanted = "; ".join(f"'{name}' ({held[name]})" for name in missing)
        raise ValueError(f"trials must have the column {wanted}, but has {sorted(map(str, trials.columns))}")


def names_in(trials: pd.DataFrame, name: str, held: str) -> pd.Series:
    """Return a column of names, renumbered; raise a ValueError where one is null."""
    column = trials[name]
    if column.isna().any():
        raise ValueError(f"{name} must hold {held}, but is null in {int(column.isna().sum())} rows")
    return column.astype("str").reset_index(drop=True)


def numbers_in(trials: pd.DataFrame, name: str, held: str) -> pd.Series:
    """Return a column as fractions, renumbered, null as NaN; raise a ValueError where it holds no numbers."""
    try:
        values = trials[name].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold {held}, but got dtype {trials[name].dtype}") from error
    return pd.Series(values)


def check_values(runs: pd.DataFrame, held: Mapping[str, str], is_error: pd.Series, sign: pd.Series) -> None:
    """Raise a ValueError unless the columns hold what they must.

    Args:
        runs: The columns as `names_in` and `numbers_in` return them, with the boolean failed.
        held: The columns with what they hold.
        is_error: Which rows are judged by error, from accuracies; the others by their metric.
        sign: 1, or -1 where larger values of the metric are better.
    """
    everywhere = pd.Series(True, index=runs.index)
    checks = [(name, everywhere, runs[name].isin(allowed)) for name, allowed in _ALLOWED.items()]
    checks += [
        (name, everywhere, (runs[name] > 0) & np.isfinite(runs[name])) for name in ("lr", "grad_scale")
    ]
    decay = runs["weight_decay"]
    checks += [
        ("seed", everywhere, runs["seed"] % 1 == 0),
        ("weight_decay", decay.notna(), (decay >= 0) & np.isfinite(decay)),
    ]
    completed = runs["status"] == "completed"
    where = {"chance": ~runs["failed"], "val": completed}
    for split in ("chance", "val", "test", "train"):
        needed = where.get(split, completed & (runs["role"] != "search"))
        if (name := f"{split}_accuracy") in runs:
            checks.append((name, needed & is_error, runs[name].between(0, 1)))
        if (name := f"{split}_metric") in runs:
            known = np.isfinite(runs[name]) if split == "chance" else runs[name] * sign > -np.inf
            checks.append((name, needed & ~is_error, known))
    for name, rows, holds in checks:
        _require(runs, name, held[name], rows, holds)


def _require(runs: pd.DataFrame, name: str, held: str, where: pd.Series, holds: pd.Series) -> None:
    """Raise a ValueError unless a column holds what it must in the rows `where`."""
    broken = where & ~holds
    if broken.any():
        row = runs[broken].iloc[0]
        raise ValueError(
            f"{name} must hold {held}, but {int(broken.sum())} rows do not, the first of them with "
            f"{row[name]} (label {row['label']}, seed {row['seed']:g}, status {row['status']})"
        )


def in_order(runs: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by task, label, role, grad_scale, lr, weight_decay and seed."""
    task, label, role = (pd.factorize(runs[name], sort=True)[0] for name in ("task", "label", "role"))
    order = np.lexsort(
        (runs["seed"], runs["weight_decay"], runs["lr"], runs["grad_scale"], role, label, task)
    )
    return runs.take(order).reset_index(drop=True)


def check_unique(runs: pd.DataFrame) -> None:
    """Raise a ValueError unless a cell and seed have one row, a label one optimizer and a task one chance error."""
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
