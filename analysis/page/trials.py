"""The trials that a page carries, as its surface explorer reads them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.labels import FOOTNOTE, is_reimplemented
from analysis.measures import MEASURES, measure
from analysis.metrics.selection import selected_cells
from analysis.page.packing import codes_type, packed
from analysis.summaries.report_tables import tasks_without_accuracy
from analysis.task_metric import ERROR, TaskMetric, named_metrics, task_metrics
from analysis.trials import AXES, CELL, at_scale_one, capped, error_of, errors, with_significant
from analysis.workloads import by_workload

STATUSES = ("completed", "diverged", "failed")
SPLITS = ("val", "test", "train")
OTHERS = ("val_loss", "test_loss", "train_loss", "lambda_max", "hessian_trace", "sam_sharpness")
"""What the explorer shows beside the errors and the task's metric on the splits."""

_TAILS = (0.01, 0.99)


def explored(trials: pd.DataFrame, hyperparameters: Sequence[str] = ()) -> pd.DataFrame:
    """Return the rows of surfaces (roles 'grid' and 'search'), renumbered: the page knows them by position.

    Values of `AXES` and of the hyperparameters that are equal but for rounding are equal.
    """
    trials = by_workload(trials)
    rows = trials[trials["role"].isin(["grid", "search"])].reset_index(drop=True)
    return with_significant(rows, [*AXES, *hyperparameters])


def packed_trials(rows: pd.DataFrame, hyperparameters: Sequence[str] = ()) -> str:
    """Return rows as `analysis.page.packing.packed` text.

    Args:
        rows: Output of `explored`.
        hyperparameters: Columns that may be axes beside `AXES`; those that do not vary within any optimizer are left
            out.

    Returns:
        Header: `tasks`, `seeds`, `statuses` (words), `entries` (name, optimizer, note: what is selected as one
        surface), `axes` (name, title, values in ascending order, null last), `metrics` (name, title, percent, log,
        range: the ends of the colour scale by task; and, where a task is not judged by error, of_task: null for a
        task that has no values, else what differs there, of title, percent, unit and direction) and `selected` (a row
        of each label's validation-best cell, the best label first). Arrays: `task`, `entry`, `seed`, `status` and
        each axis as codes into these lists,
        each metric as float32 (NaN where there is none), and `id_high`, `id_low` (a hexadecimal trial_id as two
        uint32).
    """
    arrays: dict[str, np.ndarray] = {}
    tasks = _coded(arrays, "task", rows["task"].astype("str"))
    entries = _entries(rows, hyperparameters)
    names = _coded(arrays, "entry", entries)
    first = rows.groupby(entries)["optimizer"].first()
    seeds = _coded(arrays, "seed", rows["seed"].astype("int64"))
    arrays["status"] = pd.Index(STATUSES).get_indexer(pd.Index(rows["status"])).astype(np.uint8)
    header: dict[str, Any] = {
        "trials": len(rows),
        "tasks": tasks,
        "seeds": seeds,
        "statuses": STATUSES,
        "entries": [
            {"name": name, "note": FOOTNOTE if is_reimplemented(first[name]) else ""} for name in names
        ],
        "axes": [
            {
                "name": name,
                "title": MEASURES[name].title if name in AXES else name.replace("_", " "),
                "values": _coded(arrays, name, rows[name]),
            }
            for name in axes_of(rows, hyperparameters)
        ],
        "metrics": _metrics(arrays, rows, tasks),
        "selected": _selected(rows),
    }
    if "trial_id" in rows:
        numbers = np.array([int(name, 16) for name in rows["trial_id"]], dtype=np.uint64)
        arrays["id_high"] = (numbers >> np.uint64(32)).astype(np.uint32)
        arrays["id_low"] = (numbers & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    return packed(header, arrays)


def axes_of(rows: pd.DataFrame, hyperparameters: Sequence[str]) -> list[str]:
    """Return the axes of surfaces: `AXES`, and the hyperparameters that vary within an optimizer."""
    known = [name for name in hyperparameters if name in rows]
    if not known:
        return [*AXES]
    varied = rows.groupby("optimizer")[known].nunique(dropna=False).gt(1).any()
    return [*AXES, *(name for name in known if varied[name])]


def _entries(rows: pd.DataFrame, hyperparameters: Sequence[str]) -> pd.Series:
    """Return the name by which each row is chosen: its optimizer, or its label where no axis tells labels apart."""
    kinds = rows[["optimizer", "label", *axes_of(rows, hyperparameters)[len(AXES) :]]].drop_duplicates()
    twice = kinds[kinds.duplicated(kinds.columns.drop("label").tolist(), keep=False)]
    alike = rows["optimizer"].isin(twice["optimizer"])
    return rows["optimizer"].astype("str").mask(alike, rows["label"].astype("str"))


def _coded(arrays: dict[str, np.ndarray], name: str, values: pd.Series) -> list[Any]:
    """Add a column's codes to the arrays; return its distinct values, ascending, null last."""
    codes, distinct = pd.factorize(values, sort=True)
    listed = [value.item() if isinstance(value, np.generic) else value for value in distinct]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(listed), codes)
        listed.append(None)
    arrays[name] = codes.astype(codes_type(len(listed)))
    return listed


def _metrics(arrays: dict[str, np.ndarray], rows: pd.DataFrame, tasks: list[str]) -> list[dict[str, Any]]:
    judged = task_metrics(rows)
    by_error = all(metric == ERROR for metric in judged.values())
    diverged, failed = rows["status"] == "diverged", rows["status"] == "failed"
    columns = {} if by_error else _of_metric(rows, diverged, failed)
    if "chance_accuracy" in rows:
        chance = 1 - _floats(rows, "chance_accuracy")
        columns |= {
            f"{split}_error": error_of(_floats(rows, f"{split}_accuracy"), chance, diverged, failed)
            for split in SPLITS
            if f"{split}_accuracy" in rows
        }
    columns |= {name: _floats(rows, name).where(~diverged & ~failed) for name in OTHERS if name in rows}
    metrics = []
    for name, values in columns.items():
        values = values.where(np.isfinite(values))
        trained = values[~diverged & ~failed]
        if trained.isna().all():
            continue
        is_error = name.endswith("_error")
        bounded = is_error or name.endswith("_metric")
        log = name.endswith("_loss") and bool((trained.dropna() > 0).all())
        ranges = [_range(trained[rows["task"] == task], (0, 1) if bounded else _TAILS, log) for task in tasks]
        arrays[name] = values.to_numpy(dtype=np.float32)
        title = MEASURES[name].title
        entry = {"name": name, "title": title, "percent": is_error, "log": log, "range": ranges}
        if not by_error:
            known = set(rows.loc[trained.dropna().index, "task"].astype("str"))
            entry["of_task"] = [_in_task(name, judged[task]) if task in known else None for task in tasks]
        metrics.append(entry)
    return metrics


def _of_metric(rows: pd.DataFrame, diverged: pd.Series, failed: pd.Series) -> dict[str, pd.Series]:
    """Return the values of each task's metric where it is not the error: no worse than those of knowing nothing."""
    named = named_metrics(rows)
    sign = named["metric_direction"].map({"min": 1.0, "max": -1.0}).mask(named["metric"] == ERROR.name)
    nothing = sign * _floats(rows, "chance_metric")
    return {
        f"{split}_metric": sign * capped(sign * _floats(rows, f"{split}_metric"), nothing, diverged, failed)
        for split in SPLITS
        if f"{split}_metric" in rows
    }


def _in_task(name: str, metric: TaskMetric) -> dict[str, Any] | None:
    """Return what a metric of the explorer is in a task; None where the task's own metric shows the same."""
    if name.endswith("_metric"):
        shown = measure(name, metric)
        percent = shown.unit == "%"
        return {"title": shown.title, "percent": percent, "unit": shown.unit, "direction": metric.direction}
    twice = MEASURES[name].title.endswith(f" {metric.name}") and metric != ERROR
    return None if twice else {}


def _floats(rows: pd.DataFrame, name: str) -> pd.Series:
    return pd.Series(rows[name].to_numpy(dtype=float, na_value=np.nan), index=rows.index)


def _range(values: pd.Series, tails: tuple[float, float], log: bool) -> list[float]:
    """Return the ends of a colour scale: quantiles, which leave outliers out where values have no bounds."""
    if values.isna().all():
        return [0.1, 1.0]
    low, high = (float(values.quantile(tail)) for tail in tails)
    if high > low:
        return [low, high]
    return (
        [low / 1.1, low * 1.1] if log else [low - 0.05 * max(abs(low), 0.1), low + 0.05 * max(abs(low), 0.1)]
    )


def _selected(rows: pd.DataFrame) -> list[int]:
    """Return a row of each label's selected cell at gradient scale 1, the one of the best label first."""
    grid = rows[(rows["role"] == "grid") & at_scale_one(rows["grad_scale"])]
    rows = rows[~rows["task"].isin(tasks_without_accuracy(rows))]
    if grid.empty or rows.empty:
        return []
    cells = selected_cells(errors(rows))
    cells = cells[cells["seeds"] > 0].sort_values("val_error", kind="stable")
    numbered = grid[CELL].astype({"lr": float, "weight_decay": float}).assign(row=grid.index)
    best = cells[CELL].merge(numbered.drop_duplicates(CELL), on=CELL, how="left", validate="one_to_one")
    return [int(row) for row in best["row"] if not math.isnan(row)]
