"""The learning curves that a page carries, in a bounded number of values whatever the size of the study."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.page.packing import packed
from analysis.page.trials import axes_of
from analysis.task_metric import by_error, task_metrics

SPLITS = {"train": "training", "val": "validation", "test": "test"}
KINDS = ("error", "loss")
MAX_VALUES = 2_400_000
"""Values that a page's curves may hold; at two bytes each they are about 6 MB of a page."""

_MISSING = 65535
_STEPS = 65534
_AT_ONCE = 1_000_000


def packed_curves(
    rows: pd.DataFrame, curves: pd.DataFrame, hyperparameters: Sequence[str] = (), most: int = MAX_VALUES
) -> str:
    """Return learning curves as `analysis.page.packing.packed` text.

    They are the curves of single trials where these fit into `most` values, else means over the seeds of each cell,
    at fewer epochs where even these do not fit.

    Args:
        rows: Output of `analysis.page.trials.explored`, with trial_id.
        curves: Columns trial_id, epoch, split, loss, accuracy and, where a task is not judged by error, metric.
        hyperparameters: As for `analysis.page.trials.packed_trials`.
        most: How many values there may be.

    Returns:
        Header: `means` (whether curves are means over a cell's seeds), `epochs`, `splits` (name, title) and
        `loss` (log of the least and the greatest loss). Arrays: `unit` (the curve of each row) and `values`,
        uint16 in the order unit, split, error and loss, epoch: an error is value / 65534, the logarithm of a
        loss lies as far between the ends of `loss`, and 65535 is missing. Where a task is not judged by error, also
        `metric`, float32 in the order unit, split, epoch, NaN where it is missing.
    """
    epochs = np.unique(curves["epoch"].to_numpy()).astype(np.int64)
    names = ["accuracy", "loss"]
    if "metric" in curves and not by_error(task_metrics(rows)):
        names.append("metric")
    # a value of the metric has the bytes of two of the others
    per_unit = len(SPLITS) * (len(KINDS) + 2 * names.count("metric"))
    means = len(rows) * len(epochs) * per_unit > most
    unit = _cells(rows, hyperparameters) if means else np.arange(len(rows))
    units = int(unit.max()) + 1 if len(unit) else 0
    kept = _thinned(len(epochs), max(2, most // max(1, units * per_unit)))
    means_of = _means(rows, curves, unit, epochs[kept], names)
    accuracy, mean_loss = means_of["accuracy"], means_of["loss"]
    error = 1 - accuracy
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.log(mean_loss)
    finite = loss[np.isfinite(loss)]
    ends = [float(finite.min(initial=0.0)), float(finite.max(initial=1.0))]
    levels = [_levels(error, 0.0, 1.0), _levels(loss, *ends)]
    values = np.stack([part.reshape(-1, len(kept)) for part in levels], axis=1)
    header = {
        "means": means,
        "epochs": epochs[kept].tolist(),
        "all_epochs": len(epochs),
        "splits": [{"name": name, "title": title} for name, title in SPLITS.items()],
        "loss": ends,
    }
    arrays = {"unit": unit.astype(np.uint32), "values": values.ravel()}
    if "metric" in means_of:
        arrays["metric"] = means_of["metric"].astype(np.float32)
    return packed(header, arrays)


def _cells(rows: pd.DataFrame, hyperparameters: Sequence[str]) -> np.ndarray:
    keys = ["task", "label", "role", *axes_of(rows, hyperparameters)]
    return rows.groupby(keys, dropna=False, sort=False).ngroup().to_numpy()


def _thinned(count: int, most: int) -> np.ndarray:
    return (
        np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.arange(0)
    )


def _means(
    rows: pd.DataFrame, curves: pd.DataFrame, unit: np.ndarray, epochs: np.ndarray, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the means of the finite values of columns by unit, split and epoch, NaN where there are none."""
    row = _positions(curves["trial_id"], rows["trial_id"])
    split = _positions(curves["split"], pd.Series([*SPLITS]))
    size = len(SPLITS) * len(epochs) * (int(unit.max()) + 1 if len(unit) else 0)
    sums, counts = np.zeros((len(names), size)), np.zeros((len(names), size))
    for start in range(0, len(curves), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        epoch = curves["epoch"].iloc[part].to_numpy(dtype=np.int64)
        column = np.searchsorted(epochs, epoch).clip(max=len(epochs) - 1)
        used = (row[part] >= 0) & (split[part] >= 0) & (epochs[column] == epoch)
        at = (unit[row[part]] * len(SPLITS) + split[part]) * len(epochs) + column
        for kind, name in enumerate(names):
            values = curves[name].iloc[part].to_numpy(dtype=float, na_value=np.nan)
            good = used & np.isfinite(values)
            sums[kind] += np.bincount(at[good], weights=values[good], minlength=size)
            counts[kind] += np.bincount(at[good], minlength=size)
    with np.errstate(invalid="ignore"):
        return dict(zip(names, sums / counts, strict=True))


def _positions(values: pd.Series, known: pd.Series) -> np.ndarray:
    """Return the position of each value among the known ones, -1 where it is not one of them."""
    coded = values.astype("category").cat
    positions = pd.Index(known).get_indexer(pd.Index(coded.categories)).astype(np.int32)
    return positions[coded.codes.to_numpy()]


def _levels(values: np.ndarray, low: float, high: float) -> np.ndarray:
    share = (values - low) / max(high - low, 1e-12)
    known = np.isfinite(share)
    levels = np.full(len(values), _MISSING, dtype=np.uint16)
    levels[known] = (np.clip(share[known], 0, 1) * _STEPS).round().astype(np.uint16)
    return levels
