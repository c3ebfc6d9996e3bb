"""What the verdict compares: sensitivity, transfer regret and test error, one value per seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.measures import MEASURES, Measure
from analysis.metrics.selection import reported_runs, selected_cells
from analysis.metrics.sensitivity import sensitivity
from analysis.metrics.transfer_regret import transfer_regret
from analysis.statistics.welch import Sample
from analysis.trials import errors

MEASURE_OF: dict[str, Measure] = {
    "S": MEASURES["sensitivity"],
    "T": MEASURES["transfer_regret"],
    "E": MEASURES["test_error"],
}
"""The measure of each endpoint."""

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
        gradient scale, nothing better than chance, a failed run) have no row.

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
    return table.sort_values(ENDPOINT_COLUMNS[:-1], ignore_index=True)


def endpoint_name(endpoint: str) -> str:
    """Return an endpoint in words, with its letter: 'test error E'."""
    return f"{MEASURE_OF[endpoint].title} {endpoint}"


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
