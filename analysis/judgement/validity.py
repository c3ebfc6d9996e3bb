"""What makes a comparison invalid, each problem by its name: the traps that no test statistic can see.

Every rule is about the rows alone, so that a table from anywhere can be checked. `analysis.judgement.problems` names
the problems, `analysis.judgement.grids` has the rules that grids must meet; the others are here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.judgement.grids import grid_problems
from analysis.judgement.problems import PROBLEMS, Problem, first_few
from analysis.metrics.reference_gap import reference_gaps
from analysis.metrics.selection import selected_cells
from analysis.task_metric import ERROR, names_another, task_metrics
from analysis.trials import CELL, REQUIRED, REQUIRED_METRIC, errors, grid_runs, runs_at_scale_one
from analysis.workloads import by_workload

CHECK_COLUMNS = ["problem", "task", "label", "detail"]
_SURFACE = ["task", "label"]


def check(trials: pd.DataFrame) -> pd.DataFrame:
    """Find what makes a comparison of the labels in `trials` invalid.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them; `epochs`, `batch_size` and `schedule` are
            compared where they are columns. Only the rows are looked at: a cell that no label was run at is not
            known to be missing.

    Returns:
        One row per problem, sorted by task and label, with the columns problem (a key of `PROBLEMS`), task, label
        (null where it concerns all labels of a task) and detail (a sentence). No rows: nothing was found.

    Raises:
        ValueError: There are no rows, or they are not as `REQUIRED` says, other than by a problem of `PROBLEMS`.
    """
    if trials.empty:
        raise ValueError("trials must have at least one row, but has none")
    trials = by_workload(trials)
    problems = list(_unreadable(trials))
    rows = readable(trials)
    if len(rows):
        runs = errors(rows)
        for rule in (_failed, _missing_labels, _nothing_learned, _same_split, _confirmation):
            problems += rule(runs)
        problems += grid_problems(runs[runs["role"] == "grid"])
        problems += _unequal_settings(rows)
    table = pd.DataFrame(problems, columns=CHECK_COLUMNS).astype("str")
    table[_SURFACE] = table[_SURFACE].mask(table[_SURFACE] == "None")
    order = {name: index for index, name in enumerate(PROBLEMS)}
    table = table.assign(order=table["problem"].map(order)).sort_values(["task", "label", "order"])
    return table[CHECK_COLUMNS].reset_index(drop=True)


def readable(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that say what became of their run: all but those of 'null-status' and 'null-result'."""
    return trials[~_no_status(trials) & ~_no_result(trials)]


def column(trials: pd.DataFrame, name: str) -> pd.Series:
    """Return a required column, or raise a ValueError that names it and what it should hold."""
    if name not in trials.columns:
        raise ValueError(
            f"trials must have the column '{name}' ({(REQUIRED | REQUIRED_METRIC)[name]}), but has "
            f"{sorted(map(str, trials.columns))}"
        )
    return trials[name]


def _no_status(trials: pd.DataFrame) -> pd.Series:
    return column(trials, "status").isna()


def _no_result(trials: pd.DataFrame) -> pd.Series:
    completed = (trials["status"] == "completed").fillna(False).astype(bool)
    by_metric, lacking = names_another(trials), pd.Series(False, index=trials.index)
    for rows, result in ((by_metric, "metric"), (~by_metric, "accuracy")):
        if rows.any():
            searched = column(trials, "role") == "search"
            unknown = column(trials, f"test_{result}").isna() & ~searched
            lacking |= rows & (column(trials, f"val_{result}").isna() | unknown)
    return completed & lacking


def _unreadable(trials: pd.DataFrame) -> Iterator[Problem]:
    for name, broken in (("null-status", _no_status(trials)), ("null-result", _no_result(trials))):
        names = trials.loc[broken, _SURFACE].astype("str")
        for row in names.value_counts().reset_index().to_dict("records"):
            yield Problem(name, row["task"], row["label"], f"{row['count']} rows, which are left out")


def _failed(runs: pd.DataFrame) -> Iterator[Problem]:
    failed = runs.loc[runs["failed"] & (runs["role"] != "search"), _SURFACE]
    for row in failed.value_counts().reset_index().to_dict("records"):
        yield Problem("failed-trials", row["task"], row["label"], f"{row['count']} runs failed")


def _missing_labels(runs: pd.DataFrame) -> Iterator[Problem]:
    usable = grid_runs(runs)[_SURFACE].drop_duplicates()
    for task in runs["task"].unique():
        there = set(usable.loc[usable["task"] == task, "label"])
        for label in runs["label"].unique():
            if label not in there:
                yield Problem("missing-label", task, label, "no usable run of the grid at gradient scale 1")


def _nothing_learned(runs: pd.DataFrame) -> Iterator[Problem]:
    gaps = reference_gaps(runs, runs["optimizer"].unique().tolist())
    for row in gaps[~(gaps["d_w"] > 0)].itertuples():
        yield Problem("nothing-learned", str(row.task), None, "no cell is better than chance on average")


def _same_split(runs: pd.DataFrame) -> Iterator[Problem]:
    """Find tasks whose test split is their validation split: selecting on one is selecting on the other."""
    completed = runs[~runs["failed"] & ~runs["diverged"] & (runs["role"] != "search")]
    metrics = task_metrics(runs)
    for task, rows in completed.groupby("task"):
        metric = metrics[str(task)]
        # an error is a proportion, the unit of another metric may be of any size
        rtol, atol = (0.0, 1e-12) if metric == ERROR else (1e-12, 0.0)
        # accuracies that take few values may agree by chance
        if rows["val_error"].nunique() >= 5 and np.allclose(
            rows["val_error"], rows["test_error"], rtol=rtol, atol=atol
        ):
            name = "accuracy" if metric == ERROR else metric.name
            detail = f"validation and test {name} are equal in all {len(rows)} runs: it is the same split"
            yield Problem("test-selection", str(task), None, detail)


def _confirmation(runs: pd.DataFrame) -> Iterator[Problem]:
    selected = selected_cells(runs)
    selected = selected[selected["seeds"] > 0]
    fresh = runs_at_scale_one(runs, roles=["confirm"])
    at_best = fresh.merge(selected[CELL], on=CELL, validate="many_to_one")
    yield from _confirmation_seeds(grid_runs(runs), at_best)
    confirmed = set(map(tuple, at_best.loc[~at_best["failed"], _SURFACE].to_numpy()))
    unconfirmed = [row for row in selected.itertuples() if (row.task, row.label) not in confirmed]
    for row in unconfirmed:
        detail = f"at lr {row.lr:g}, weight decay {row.weight_decay:g}"
        yield Problem("no-confirmation", str(row.task), str(row.label), detail)
    yield from _confirmed_by_test(runs, fresh, unconfirmed)


def _confirmation_seeds(grid: pd.DataFrame, at_best: pd.DataFrame) -> Iterator[Problem]:
    used = grid.groupby(_SURFACE)["seed"].agg(set)
    for task, rows in at_best.groupby("task"):
        everyone = set(rows["seed"])
        for label, mine in rows.groupby("label"):
            both = sorted(used[task, label] & set(mine["seed"]))
            missing = sorted(everyone - set(mine["seed"]))
            if both:
                yield Problem(
                    "overlapping-seeds", str(task), str(label), f"seed {first_few(both)} is in both"
                )
            if missing:
                detail = f"no confirmation with seed {first_few(missing)}"
                yield Problem("missing-seeds", str(task), str(label), detail)


def _confirmed_by_test(runs: pd.DataFrame, fresh: pd.DataFrame, unconfirmed: list) -> Iterator[Problem]:
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
            yield Problem("test-selection", str(row.task), str(row.label), detail)


def _unequal_settings(trials: pd.DataFrame) -> Iterator[Problem]:
    used = trials[trials["role"] != "search"]
    names = {"epochs": "unequal-budget", "batch_size": "unequal-budget", "schedule": "unequal-schedule"}
    for name, problem in names.items():
        if name not in trials.columns:
            continue
        for task, rows in used.groupby("task"):
            kinds = rows.groupby(name, dropna=False)["label"].unique()
            if len(kinds) > 1:
                text = "; ".join(f"{value}: {first_few(sorted(labels))}" for value, labels in kinds.items())
                yield Problem(problem, str(task), None, f"{name} {text}")
