"""What makes a comparison invalid, each by name: the traps that no test statistic can see.

Every rule is about the rows alone, so that a table from anywhere can be checked. The names are what `allow` of
`verdict` takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.metrics.reference_gap import reference_gaps
from analysis.metrics.selection import select_cells
from analysis.metrics.sensitivity import WINDOW_DECADES
from analysis.statistics.welch import Array
from analysis.trials import CELL, REQUIRED, errors, grid_runs, runs_at

EDGE_CELLS = 2
"""The best cell must lie at least this many learning rates inside its grid."""


def cells_wanted(spacing: float) -> int:
    """Return how many learning rates a grid should have beyond its best one, on either side.

    `EDGE_CELLS`, and those in the window of S: a window that is cut short leaves out just the rates at which most is
    lost, and makes its optimizer look the more robust.

    Args:
        spacing: Decades from one learning rate to the next.
    """
    # rates are written with few digits, so that spacings differ a little
    return max(EDGE_CELLS, math.floor(WINDOW_DECADES / spacing + 1e-3))


PROBLEMS: dict[str, str] = {
    "null-status": "a row does not say whether its run completed, diverged or failed",
    "null-result": "a completed run has no accuracy",
    "failed-trials": "a run failed, so that nothing is known of it",
    "missing-label": "a label has no usable run on a task that others were run on",
    "missing-seeds": "a label lacks seeds that others have",
    "missing-cells": "a label's grid has holes",
    "unequal-width": "the grids of learning rates are not equally wide",
    "unequal-cells": "the grids have not equally many cells",
    "unequal-budget": "epochs or batch_size differ",
    "unequal-schedule": "the schedules differ",
    "edge": "the best cell (c = 1) lies within two learning rates of the grid's edge",
    "cut-window": "the window of S reaches beyond the grid, whose edge leaves out the rates at which most is lost",
    "nothing-learned": "no cell is better than chance, so that nothing can be lost",
    "no-confirmation": "no run with a fresh seed at the selected cell: the winner looks better than it is",
    "overlapping-seeds": "a confirmation seed took part in the selection",
    "test-selection": "the cell was chosen by its test error",
}
"""The names of what `check` finds, with what they mean."""

CHECK_COLUMNS = ["problem", "task", "label", "detail"]
_SURFACE = ["task", "label"]


class _Found(NamedTuple):
    problem: str
    task: str | None
    label: str | None
    detail: str


def check(trials: pd.DataFrame) -> pd.DataFrame:
    """Find what makes a comparison of the labels in `trials` invalid.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them; `epochs`, `batch_size` and `schedule` are
            compared where they are columns. Only what stands in the rows can be found: a cell that was planned
            for no label at all is not missed.

    Returns:
        One row for each thing found, sorted by task and label, with the columns problem (a key of
        `PROBLEMS`), task, label (null where it concerns all labels of a task) and detail (a sentence). No
        rows: nothing was found.

    Raises:
        ValueError: There are no rows, or they are not as `REQUIRED` says, other than by what has a name here.
    """
    if trials.empty:
        raise ValueError("trials must have at least one row, but has none")
    found = list(_unreadable(trials))
    rows = readable(trials)
    if len(rows):
        runs = errors(rows)
        grid = runs[runs["role"] == "grid"]
        for rule in (_failed, _missing_labels, _nothing_learned, _same_split, _confirmation):
            found += rule(runs)
        for on_grid in (_missing_seeds, _missing_cells, _unequal_grids, _edges):
            found += on_grid(grid)
        found += _unequal_settings(rows)
    table = pd.DataFrame(found, columns=CHECK_COLUMNS).astype("str")
    table[_SURFACE] = table[_SURFACE].mask(table[_SURFACE] == "None")
    order = {name: place for place, name in enumerate(PROBLEMS)}
    table = table.assign(place=table["problem"].map(order)).sort_values(["task", "label", "place"])
    return table[CHECK_COLUMNS].reset_index(drop=True)


def readable(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that say what became of their run: not 'null-status' and not 'null-result'."""
    return trials[~_no_status(trials) & ~_no_result(trials)]


def column(trials: pd.DataFrame, name: str) -> pd.Series:
    """Return a required column, or raise a ValueError that names it and what it should hold."""
    if name not in trials.columns:
        raise ValueError(
            f"trials must have the column '{name}' ({REQUIRED[name]}), but has {sorted(map(str, trials.columns))}"
        )
    return trials[name]


def _no_status(trials: pd.DataFrame) -> pd.Series:
    return column(trials, "status").isna()


def _no_result(trials: pd.DataFrame) -> pd.Series:
    needed = column(trials, "val_accuracy").isna() | (
        column(trials, "test_accuracy").isna() & (column(trials, "role") != "search")
    )
    return (trials["status"] == "completed").fillna(False).astype(bool) & needed


def _unreadable(trials: pd.DataFrame) -> Iterator[_Found]:
    for name, broken in (("null-status", _no_status(trials)), ("null-result", _no_result(trials))):
        names = trials.loc[broken, _SURFACE].astype("str")
        for row in names.value_counts().reset_index().to_dict("records"):
            yield _Found(name, row["task"], row["label"], f"{row['count']} rows, which are left out")


def _failed(runs: pd.DataFrame) -> Iterator[_Found]:
    failed = runs.loc[runs["failed"] & (runs["role"] != "search"), _SURFACE]
    for row in failed.value_counts().reset_index().to_dict("records"):
        yield _Found("failed-trials", row["task"], row["label"], f"{row['count']} runs failed")


def _missing_labels(runs: pd.DataFrame) -> Iterator[_Found]:
    usable = grid_runs(runs)[_SURFACE].drop_duplicates()
    for task in runs["task"].unique():
        there = set(usable.loc[usable["task"] == task, "label"])
        for label in runs["label"].unique():
            if label not in there:
                yield _Found("missing-label", task, label, "no usable run of the grid at gradient scale 1")


def _nothing_learned(runs: pd.DataFrame) -> Iterator[_Found]:
    gaps = reference_gaps(runs, runs["optimizer"].unique().tolist())
    for row in gaps[~(gaps["d_w"] > 0)].itertuples():
        yield _Found("nothing-learned", str(row.task), None, "no cell is better than chance on average")


def _same_split(runs: pd.DataFrame) -> Iterator[_Found]:
    """Find tasks whose test split is their validation split: selecting on one is selecting on the other."""
    completed = runs[~runs["failed"] & ~runs["diverged"] & (runs["role"] != "search")]
    for task, rows in completed.groupby("task"):
        # accuracies that take few values may agree by chance
        if rows["val_error"].nunique() >= 5 and np.allclose(
            rows["val_error"], rows["test_error"], rtol=0, atol=1e-12
        ):
            detail = f"validation and test accuracy are equal in all {len(rows)} runs: it is the same split"
            yield _Found("test-selection", str(task), None, detail)


def _missing_seeds(grid: pd.DataFrame) -> Iterator[_Found]:
    for task, rows in grid.groupby("task"):
        everyone = set(rows["seed"])
        for label, mine in rows.groupby("label"):
            missing = sorted(everyone - set(mine["seed"]))
            if missing:
                yield _Found("missing-seeds", str(task), str(label), f"no run with seed {_listed(missing)}")


def _missing_cells(grid: pd.DataFrame) -> Iterator[_Found]:
    """Find holes: at each c, every lr should meet every decay and every seed of the label; and every c be there."""
    for task, rows in grid.groupby("task"):
        scales = set(rows["grad_scale"])
        for label, mine in rows.groupby("label"):
            absent = sorted(scales - set(mine["grad_scale"]))
            if absent:
                detail = f"no run at gradient scale {_listed(absent)}"
                yield _Found("missing-cells", str(task), str(label), detail)
            decays, seeds = mine["weight_decay"].nunique(dropna=False), mine["seed"].nunique()
            for scale, at in mine.groupby("grad_scale"):
                there = len(at.drop_duplicates(["lr", "weight_decay", "seed"]))
                missing = at["lr"].nunique() * decays * seeds - there
                if missing:
                    detail = f"{missing} runs of {missing + there} are not there at gradient scale {scale:g}"
                    yield _Found("missing-cells", str(task), str(label), detail)


def _unequal_grids(grid: pd.DataFrame) -> Iterator[_Found]:
    best = select_cells(grid).set_index(_SURFACE)["lr"]
    for task, rows in runs_at(grid, 1.0).groupby("task"):
        labels = {str(label): mine for label, mine in rows.groupby("label")}
        powers = {label: np.log10(np.unique(mine["lr"].to_numpy())) for label, mine in labels.items()}
        decays = {label: mine["weight_decay"].nunique(dropna=False) for label, mine in labels.items()}
        base = min(powers.values(), key=lambda own: (len(own), _width(own)))
        unlike = [own for label, own in powers.items() if not _fair(own, base, np.log10(best[task, label]))]
        if any(_width(own) != _width(base) for own in unlike):
            text = "; ".join(f"{label}: {_width(own):g}" for label, own in powers.items())
            yield _Found("unequal-width", str(task), None, f"decades of learning rates: {text}")
        if any(len(own) != len(base) for own in unlike) or len(set(decays.values())) > 1:
            text = "; ".join(f"{label}: {len(own)} x {decays[label]}" for label, own in powers.items())
            yield _Found("unequal-cells", str(task), None, f"learning rates x decays: {text}")


def _width(powers: Array) -> float:
    # rates are written with few digits, so that equal widths differ a little
    return round(float(powers[-1] - powers[0]), 3)


def _fair(own: Array, base: Array, best: float) -> bool:
    """Say whether a grid is as wide as `base`, the smallest, or was rightly extended.

    It was where its spacing is the same, a grid as small as `base` at one of its ends would have its best cell
    too near to the edge, and beyond that cell there is no more than is wanted: without the extension it could
    not be compared fairly.
    """
    if len(own) == len(base) or len(base) < 2:
        return _width(own) == _width(base) and len(own) == len(base)
    spacing = _width(base) / (len(base) - 1)
    if abs(_width(own) / (len(own) - 1) - spacing) > 0.01 * spacing:
        return False
    place = int(np.argmin(np.abs(own - best))) if np.isfinite(best) else 0
    from_ends = (place, len(own) - 1 - place)
    wanted = cells_wanted(spacing)
    return any(
        here > len(base) - 1 - wanted and beyond <= wanted for here, beyond in (from_ends, from_ends[::-1])
    )


def _edges(grid: pd.DataFrame) -> Iterator[_Found]:
    spacings = _spacings(runs_at(grid, 1.0))
    for row in select_cells(grid).dropna(subset=["edge_distance"]).to_dict("records"):
        distance, wanted = row["edge_distance"], cells_wanted(spacings[row["task"], row["label"]])
        detail = f"the best learning rate, {row['lr']:g}, is {distance} cells from the edge of its grid"
        if distance < EDGE_CELLS:
            yield _Found("edge", row["task"], row["label"], detail)
        elif distance < wanted:
            yield _Found(
                "cut-window", row["task"], row["label"], f"{detail}; S takes {wanted} on either side"
            )


def _spacings(grid: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the mean number of decades from one learning rate to the next; infinite where there is only one."""
    rates = grid.groupby(_SURFACE)["lr"].agg(["min", "max", "nunique"])
    steps = (rates["nunique"] - 1).clip(lower=1)
    decades = np.log10(rates["max"] / rates["min"]) / steps
    return decades.where(decades > 0, np.inf).to_dict()


def _confirmation(runs: pd.DataFrame) -> Iterator[_Found]:
    selected = select_cells(runs)
    selected = selected[selected["seeds"] > 0]
    fresh = runs_at(runs, 1.0, roles=["confirm"])
    at_best = fresh.merge(selected[CELL], on=CELL, validate="many_to_one")
    yield from _confirmation_seeds(grid_runs(runs), at_best)
    confirmed = set(map(tuple, at_best.loc[~at_best["failed"], _SURFACE].to_numpy()))
    unconfirmed = [row for row in selected.itertuples() if (row.task, row.label) not in confirmed]
    for row in unconfirmed:
        detail = f"at lr {row.lr:g}, weight decay {row.weight_decay:g}"
        yield _Found("no-confirmation", str(row.task), str(row.label), detail)
    yield from _confirmed_by_test(runs, fresh, unconfirmed)


def _confirmation_seeds(grid: pd.DataFrame, at_best: pd.DataFrame) -> Iterator[_Found]:
    used = grid.groupby(_SURFACE)["seed"].agg(set)
    for task, rows in at_best.groupby("task"):
        everyone = set(rows["seed"])
        for label, mine in rows.groupby("label"):
            both = sorted(used[task, label] & set(mine["seed"]))
            missing = sorted(everyone - set(mine["seed"]))
            if both:
                yield _Found("overlapping-seeds", str(task), str(label), f"seed {_listed(both)} is in both")
            if missing:
                detail = f"no confirmation with seed {_listed(missing)}"
                yield _Found("missing-seeds", str(task), str(label), detail)


def _confirmed_by_test(runs: pd.DataFrame, fresh: pd.DataFrame, unconfirmed: list) -> Iterator[_Found]:
    """Find labels whose fresh seeds are at the cell with the best test error, and not at the selected one."""
    by_test = grid_runs(runs).groupby(CELL, dropna=False)["test_error"].mean().reset_index()
    by_test = by_test.sort_values("test_error", kind="stable").drop_duplicates(_SURFACE)
    there = (
        fresh[~fresh["failed"]]
        .merge(by_test[CELL], on=CELL)
        .drop_duplicates(_SURFACE)
        .set_index(_SURFACE)["lr"]
    )
    for row in unconfirmed:
        if (row.task, row.label) in there.index:
            lr = there[row.task, row.label]
            detail = f"confirmed at the test-best lr {lr:g}, not at the validation-best {row.lr:g}"
            yield _Found("test-selection", str(row.task), str(row.label), detail)


def _unequal_settings(trials: pd.DataFrame) -> Iterator[_Found]:
    used = trials[trials["role"] != "search"]
    names = {"epochs": "unequal-budget", "batch_size": "unequal-budget", "schedule": "unequal-schedule"}
    for name, problem in names.items():
        if name not in trials.columns:
            continue
        for task, rows in used.groupby("task"):
            kinds = rows.groupby(name, dropna=False)["label"].unique()
            if len(kinds) > 1:
                text = "; ".join(f"{value}: {_listed(sorted(labels))}" for value, labels in kinds.items())
                yield _Found(problem, str(task), None, f"{name} {text}")


def _listed(values: list) -> str:
    shown = ", ".join(map(str, values[:5]))
    return f"{shown}, … ({len(values)} in all)" if len(values) > 5 else shown
