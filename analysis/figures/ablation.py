"""Ablations: how an optimizer's scores respond to its own hyperparameters, beside AdamW and SGD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.search import response
from analysis.figures.styles import LEGEND_LOOK, LEGEND_ROW, add_footnote, column_of, one_task
from analysis.figures.theme import COLUMN_WIDTH
from analysis.labels import dagger, parse_label
from analysis.metrics.reference_gap import REFERENCES

SCORES = ("test_error", "sensitivity", "transfer_regret")
"""What responds; test_metric stands in place of test_error where a task is judged by another metric."""
LOG_FROM = 100.0
"""Values have a logarithmic axis where the largest is this many times the smallest."""

_NAMES = {
    "mixing": "mixing exponent (0: global, 1: AdamW)",
    "mixing_end": "mixing exponent at the end of training",
}


@dataclass(frozen=True)
class Ablation:
    """One optimizer's variations.

    Attributes:
        optimizer: Its name.
        points: The rows of the metrics table, with a column for every hyperparameter that differs, and the column
            series where `series` says so.
        varied: The hyperparameters that differ; the first is on the x axis.
        log: Whether the x axis is logarithmic.
        references: The rows of the metrics table that are compared with.
    """

    optimizer: str
    points: pd.DataFrame
    varied: list[str]
    log: bool
    references: pd.DataFrame

    @property
    def series(self) -> str | None:
        """The column that tells curves apart, or None where there is one only."""
        return "series" if "series" in self.points.columns else None


def find_ablations(metrics: pd.DataFrame) -> list[Ablation]:
    """Find the optimizers of which a study has several variations.

    A label's variations are read from its text: the metrics table, which is what a report publishes, has no columns
    of hyperparameters, and the text says which of them a study varies and how it wrote their values. The x axis has
    the hyperparameter with most different numbers, the first of several; it is logarithmic where they span two
    decades or more, and decay rates of moments are shown as 1 - beta. All combinations of the others are curves of
    their own. References are the labels of AdamW and SGD that are not varied themselves.

    Args:
        metrics: The table 'metrics' of `analysis.tables`, for one task.

    Returns:
        One ablation per optimizer with two labels or more that differ in a number, and a score, sorted by name.

    Raises:
        ValueError: The table is of several tasks, or of none.
    """
    groups = {str(name): part for name, part in one_task(metrics).groupby("optimizer")}
    single = [part for name, part in groups.items() if name in REFERENCES and len(part) == 1]
    references = pd.concat(single) if single else metrics.iloc[:0]
    ablations = [_ablation(name, part, references) for name, part in groups.items() if len(part) > 1]
    return [ablation for ablation in ablations if ablation is not None]


def ablation_figure(ablation: Ablation) -> Figure:
    """Draw how test error or metric, sensitivity and, where known, transfer regret respond, one above the other."""
    x, points = ablation.varied[0], ablation.points
    named = [column_of(points, name) for name in SCORES]
    scores = [name for name in named if points[name].notna().any()]
    figure = Figure(figsize=(COLUMN_WIDTH, 0.5 + 1.4 * len(scores)), layout="constrained")
    axes = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
    for ax, score in zip(axes, scores, strict=True):
        response(
            points,
            x=x,
            y=score,
            log=ablation.log,
            series=ablation.series,
            references=ablation.references,
            ax=ax,
        )
        ax.set_xlabel("")
    axes[-1].set_xlabel(_NAMES.get(x, x))
    figure.align_ylabels(axes)
    entries = axes[0].get_legend_handles_labels()
    lines = sorted(zip(*entries, strict=True), key=lambda pair: pair[1] in set(ablation.references["label"]))
    handles, labels = [pair[0] for pair in lines], [pair[1] for pair in lines]
    columns = 2 if max(map(len, labels), default=0) <= 22 else 1
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * (1 + -(-len(labels) // columns)))
    mark = dagger(ablation.optimizer)
    look = LEGEND_LOOK | {"title": f"{ablation.optimizer}{mark}", "ncols": columns}
    figure.legend(handles, labels, loc="outside upper center", **look)
    if mark:
        add_footnote(figure)
    return figure


def _ablation(name: str, part: pd.DataFrame, references: pd.DataFrame) -> Ablation | None:
    texts = pd.DataFrame([parse_label(label)[1] for label in part["label"]], index=part.index)
    texts = texts.loc[:, texts.nunique(dropna=False) > 1]
    numbers = {str(column): _numbers(texts[column]) for column in texts}
    numeric = [column for column, values in numbers.items() if values is not None]
    if not numeric or part[[column_of(part, "test_error"), "sensitivity"]].isna().to_numpy().all():
        return None
    x = max(numeric, key=lambda column: texts[column].nunique())
    others = [column for column in numbers if column != x]
    values = numbers[x]
    assert values is not None
    shown = x
    if x.startswith("beta"):
        shown, values = f"1 − {x}", (1 - values).round(12)
    columns = {column: numbers[column] if column in numeric else texts[column] for column in numbers}
    points = part.assign(**(columns | {shown: values}))
    if others:
        points["series"] = [
            ", ".join(f"{column}={value}" for column, value in row.items() if isinstance(value, str)) or name
            for row in texts[others].to_dict("records")
        ]
    log = bool(values.min() > 0 and values.max() / values.min() >= LOG_FROM)
    return Ablation(name, points.sort_values([*others, shown]), [shown, *others], log, references)


def _numbers(texts: pd.Series) -> pd.Series | None:
    """Return a column of texts as numbers, or None if one of them is not a number."""
    values = pd.to_numeric(texts, errors="coerce").astype("float64")
    return None if values.isna().any() or np.isinf(values).any() else values
