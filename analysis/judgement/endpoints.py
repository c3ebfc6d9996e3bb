"""What the verdict compares: sensitivity, transfer regret and test error, one value per seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.judgement.noninferiority import MarginInForce
from analysis.measures import MEASURES, Measure, decimals, measure
from analysis.metrics.reference_gap import reference_gaps
from analysis.metrics.selection import reported_runs, selected_cells
from analysis.metrics.sensitivity import sensitivity
from analysis.metrics.transfer_regret import transfer_regret
from analysis.statistics.welch import Sample
from analysis.task_metric import ERROR, TaskMetric, in_metric, task_metrics
from analysis.trials import errors, is_checked

MEASURE_OF: dict[str, Measure] = {
    "S": MEASURES["sensitivity"],
    "T": MEASURES["transfer_regret"],
    "E": MEASURES["test_error"],
}
"""The measure of each endpoint; of E where all tasks are judged by error."""

CROSS_FITTED = ("S", "T")
"""The endpoints that are measured from a cell which the other seeds chose."""

ENDPOINT_COLUMNS = ["endpoint", "task", "label", "seed", "value"]


def endpoints(trials: pd.DataFrame, *, references: Sequence[str] = ("adamw", "sgd")) -> pd.DataFrame:
    """Compute S, T and E of every task, label and seed.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        references: The *labels* whose best error sets the scale D_w of S and T.

    Returns:
        One row per endpoint, task, label and seed, sorted, with the columns endpoint ('S': `sensitivity`,
        'T': `transfer_regret`, 'E': the test error at the selected cell, on fresh seeds where there are any),
        task, label, seed and value (S, T: shares of D_w; E: a proportion). Values that do not exist (no other
        gradient scale, nothing better than chance, a failed run) have no row. Where a task is not judged by error, E
        is the value of its metric, and the columns metric, unit and direction follow label.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    # the scale depends on the labels compared with, and on no other variation of the same optimizer
    by_label = runs.assign(optimizer=runs["label"])
    parts = {
        "S": sensitivity(by_label, references=references).rename(columns={"sensitivity": "value"}),
        "T": transfer_regret(by_label, references=references).rename(columns={"transfer_regret": "value"}),
        "E": reported_runs(runs, selected_cells(runs)).rename(columns={"test_error": "value"}),
    }
    tables = [part.assign(endpoint=name)[ENDPOINT_COLUMNS] for name, part in parts.items()]
    table = pd.concat(tables, ignore_index=True).dropna(subset=["value"])
    table = table.sort_values(ENDPOINT_COLUMNS[:-1], ignore_index=True)
    return table if is_checked(trials) else in_metrics(table, task_metrics(runs))


def in_metrics(values: pd.DataFrame, metrics: Mapping[str, TaskMetric]) -> pd.DataFrame:
    """Return endpoints of the output of `errors` with E as the value of each task's metric."""
    sign = values["task"].map({task: metric.sign for task, metric in metrics.items()})
    turned = values["value"].mask((values["endpoint"] == "E") & (sign < 0), 0.0 - values["value"])
    return in_metric(values.assign(value=turned), metrics)


def in_shares(values: pd.DataFrame, runs: pd.DataFrame, references: Sequence[str]) -> pd.DataFrame:
    """Return endpoints with E in shares of each task's D_w; without those of a task on which nothing was learned.

    Args:
        values: Output of `endpoints` for `runs`.
        runs: Output of `analysis.trials.errors`.
        references: As `endpoints` takes them.
    """
    gaps = reference_gaps(runs.assign(optimizer=runs["label"]), references).set_index("task")["d_w"]
    shares = values["value"] / values["task"].map(gaps.where(gaps > 0))
    return values.assign(value=values["value"].mask(values["endpoint"] == "E", shares)).dropna(
        subset=["value"]
    )


class Scale(NamedTuple):
    """How differences of an endpoint are shown.

    Attributes:
        name: The endpoint in words, with its letter: 'test error E'.
        factor: What a difference is multiplied by.
        digits: Decimals.
        unit: What follows the number, such as ' percentage points'; may be empty.
        mirrored: Whether larger values of the endpoint are better, so that what is worse by a positive difference is
            the reference minus the candidate.
    """

    name: str
    factor: float
    digits: int
    unit: str
    mirrored: bool = False


def scale_of(endpoint: str, margin: MarginInForce) -> Scale:
    """Return how differences of an endpoint are shown.

    Args:
        endpoint: S, T or E.
        margin: That of E.
    """
    known, metric = MEASURE_OF[endpoint], margin.metric
    name = endpoint_name(endpoint, metric)
    if endpoint != "E" or (metric == ERROR and not margin.in_shares):
        return Scale(name, known.factor, known.digits, " percentage points" if known.unit == "%" else "")
    mirrored = metric is not None and metric.direction == "max"
    if margin.in_shares or metric is None:
        return Scale(name, 100.0, 2, " % of D_w", mirrored)
    if metric.unit == "%":
        return Scale(name, 100.0, 2, " percentage points", mirrored)
    return Scale(name, 1.0, decimals([margin.value]), f" {metric.unit}".rstrip(), mirrored)


def endpoint_name(endpoint: str, metric: TaskMetric | None = ERROR) -> str:
    """Return an endpoint in words, with its letter: 'test error E', or 'test loss E' by another metric.

    Args:
        endpoint: S, T or E.
        metric: The metric of the tasks; None where they have different ones, which E then brings to errors.
    """
    if endpoint != "E":
        return f"{MEASURE_OF[endpoint].title} {endpoint}"
    return f"{measure('test_metric', metric).title} {endpoint}" + (
        " (smaller is better)" if metric is None else ""
    )


def sample(values: pd.DataFrame, endpoint: str, label: str, tasks: Sequence[str]) -> Sample:
    """Return the moments of a label's values on the given tasks.

    Raises:
        ValueError: A task has one value only.
    """
    mine = values[(values["endpoint"] == endpoint) & (values["label"] == label)]
    table = mine.groupby("task")["value"].agg(["mean", "var", "count"]).reindex(list(tasks))
    alone = table.index[table["count"] < 2].tolist()
    if alone:
        raise ValueError(
            f"at least 2 seeds are needed for an interval, but {label} has 1 for {endpoint} on {alone[0]}"
        )
    # the mean of equal numbers need not be exactly that number, and their variance not exactly 0
    var = table["var"].where(table["var"] > 1e-24, 0.0)
    mean, n = table["mean"].round(12), table["count"]
    return Sample(
        mean.to_numpy(dtype=np.float64),
        var.to_numpy(dtype=np.float64),
        n.to_numpy(dtype=np.float64),
        cross_fitted=endpoint in CROSS_FITTED,
    )
