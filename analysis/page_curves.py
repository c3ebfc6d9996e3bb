"""The learning curves that a page carries, in at most so many numbers, whatever the size of the study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.packing import packed
from analysis.page_trials import axes_of

SPLITS = {"train": "training", "val": "validation", "test": "test"}
KINDS = ("error", "loss")
MAX_VALUES = 2_400_000
"""Numbers that a page's curves may hold; at two bytes each they are about 6 MB of a page."""

_MISSING = 65535
_STEPS = 65534


def packed_curves(
    rows: pd.DataFrame, curves: pd.DataFrame, hyperparameters: Sequence[str] = (), most: int = MAX_VALUES
) -> str:
    """Return learning curves as `analysis.packing.packed` text.

    Curves of single trials where they fit into `most` numbers; else means over the seeds of each cell; and where
    these do not fit either, at fewer epochs.

    Args:
        rows: Output of `analysis.page_trials.explored`, with trial_id.
        curves: Columns trial_id, epoch, split, loss and accuracy.
        hyperparameters: As for `analysis.page_trials.packed_trials`.
        most: How many numbers there may be.

    Returns:
        Header: `means` (whether curves are means over a cell's seeds), `epochs`, `splits` (name, title) and
        `loss` (log of the least and the greatest loss). Arrays: `unit` (the curve of each row) and `values`,
        uint16 in the order unit, split, error and loss, epoch: an error is value / 65534, the logarithm of a
        loss lies as far between the ends of `loss`, and 65535 is missing.
    """
    number, split = (
        _coded(curves["trial_id"], rows["trial_id"]),
        _coded(curves["split"], pd.Series([*SPLITS])),
    )
    epochs = np.sort(curves["epoch"].unique().astype(np.int64))
    epoch = np.searchsorted(epochs, curves["epoch"].to_numpy(dtype=np.int64))
    per_unit = len(SPLITS) * len(KINDS)
    means = len(rows) * len(epochs) * per_unit > most
    unit = _cells(rows, hyperparameters) if means else np.arange(len(rows))
    units = int(unit.max()) + 1 if len(unit) else 0
    kept = _thinned(len(epochs), max(2, most // max(1, units * per_unit)))
    place = np.full(len(epochs), -1)
    place[kept] = np.arange(len(kept))
    used = (number >= 0) & (split >= 0) & (place[epoch] >= 0)
    at = (unit[number[used]] * len(SPLITS) + split[used]) * len(kept) + place[epoch[used]]
    size = units * len(SPLITS) * len(kept)
    error = _means(at, 1 - _numbers(curves["accuracy"])[used], size)
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.log(_means(at, _numbers(curves["loss"])[used], size))
    ends = [float(found) for found in (_finite(loss).min(initial=0.0), _finite(loss).max(initial=1.0))]
    levels = [_levels(error, 0.0, 1.0), _levels(loss, *ends)]
    values = np.stack([part.reshape(-1, len(kept)) for part in levels], axis=1)
    header = {
        "means": means,
        "epochs": epochs[kept].tolist(),
        "all_epochs": len(epochs),
        "splits": [{"name": name, "title": title} for name, title in SPLITS.items()],
        "loss": ends,
    }
    return packed(header, {"unit": unit.astype(np.uint32), "values": values.ravel()})


def _coded(values: pd.Series, known: pd.Series) -> np.ndarray:
    """Return the place of each value among the known ones, -1 where it is not one of them."""
    coded = values.astype("category").cat
    return pd.Index(known).get_indexer(pd.Index(coded.categories))[coded.codes.to_numpy()]


def _cells(rows: pd.DataFrame, hyperparameters: Sequence[str]) -> np.ndarray:
    keys = ["task", "label", "role", *axes_of(rows, hyperparameters)]
    return rows.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()


def _thinned(count: int, most: int) -> np.ndarray:
    return (
        np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.arange(0)
    )


def _numbers(values: pd.Series) -> np.ndarray:
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def _means(at: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """Return the mean of the finite values at each place, NaN where there are none."""
    finite = np.isfinite(values)
    counts = np.bincount(at[finite], minlength=size)
    with np.errstate(invalid="ignore"):
        return np.bincount(at[finite], weights=values[finite], minlength=size) / counts


def _finite(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    share = (values - low) / max(high - low, 1e-12)
    known = np.isfinite(share)
    levels = np.full(len(values), _MISSING, dtype=np.uint16)
    levels[known] = (np.clip(share[known], 0, 1) * _STEPS).round().astype(np.uint16)
    return levels
