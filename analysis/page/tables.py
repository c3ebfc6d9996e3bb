"""Tables as a page shows them: the columns and numbers of the LaTeX tables, with unrounded numbers to sort by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.measures import MEASURES, SIGNIFICANT
from analysis.summaries.columns import (
    LAYOUTS,
    SUMMARY,
    columns_of,
    holds_text,
    measure_of,
    numbers_of,
    tasks_of,
)
from analysis.task_metric import LEVELS

TITLES = {
    "summary": "Summary",
    "metrics": "Metrics",
    "variance_decomposition": "Variance decomposition",
    "cross_task_sensitivity": "Cross-task sensitivity",
    "wilcoxon_holm": "Pairs of optimizers (Wilcoxon, Holm)",
}
CAPTIONS = {
    "summary": "At the validation-best cell at gradient scale 1; S: mean normalized loss of accuracy within 1.5 "
    "decades of the best lr (0 flat, 1 all lost); W: decades of lr within 1 point of the best; ±: 95 % intervals; "
    "bold: the best.",
    "metrics": "T: transfer regret, what a cell tuned at gradient scale 1 loses at the others; a: scale exponent, "
    "-d log lr* / d log c (0: AdamW, 1: SGD); tunability: mean test error of the best of k random cells; Pareto: no "
    "other has lower test error and lower S; –: not available.",
}
_OF_METRIC = {
    "loss of accuracy": "loss (in shares of D_w, what the references gained on knowing nothing)",
    "within 1 point of the best": "within 1 % of D_w of the best",
    "mean test error of": "mean test value of",
    "lower test error": "better test value",
}
"""What captions say instead where a task is judged by another metric than the error."""

_NEEDED = {"cross_task_sensitivity": "phi", "wilcoxon_holm": "p"}
"""The column without any value in which a table is left out: with too few workloads it has no result."""


@dataclass(frozen=True)
class Header:
    """A column's name, and whether it holds text."""

    name: str
    text: bool


@dataclass(frozen=True)
class Cell:
    """The text of a cell, the number it is sorted by ('' where it is null, None for text), and its CSS classes."""

    shown: str
    value: float | str | None
    classes: str


@dataclass(frozen=True)
class PageTable:
    """A table in the form that the page's template takes."""

    title: str
    caption: str
    headers: Sequence[Header]
    rows: Sequence[Sequence[Cell]]


def page_tables(tables: Mapping[str, pd.DataFrame]) -> list[PageTable]:
    """Return those of `TITLES` that are there and hold a result, each with the columns of its layout that it has.

    Args:
        tables: Output of `analysis.tables`, and `analysis.summary` as 'summary'.
    """
    shown = []
    for name, title in TITLES.items():
        table = tables.get(name, pd.DataFrame())
        if table.empty or (name in _NEEDED and table[_NEEDED[name]].isna().all()):
            continue
        layout = ["task", *(column for column in columns_of(table, _layout(name)) if column != "task")]
        if tasks_of(table).nunique() == 1:
            layout.remove("task")
        columns = [column for column in layout if column in table]
        caption = CAPTIONS.get(name, "")
        if "metric" in table:
            for words, others in _OF_METRIC.items():
                caption = caption.replace(words, others)
        shown.append(_table(table, columns, title, caption))
    return shown


def _layout(name: str) -> Sequence[str]:
    return SUMMARY if name == "summary" else LAYOUTS[name]


def _table(table: pd.DataFrame, columns: Sequence[str], title: str, caption: str) -> PageTable:
    headers = [Header(measure_of(table, name).heading, holds_text(table[name])) for name in columns]
    cells = [_cells(table, name) for name in columns]
    return PageTable(title, caption, headers, list(zip(*cells, strict=True)))


def _cells(table: pd.DataFrame, name: str) -> list[Cell]:
    if holds_text(table[name]):
        return [Cell(_word(value), None, "text") for value in table[name]]
    numbers = numbers_of(table, name)
    # rates span decades: each of them has its own three digits
    brief = MEASURES[name].digits == SIGNIFICANT and name not in LEVELS.values()
    columns = (numbers.values, numbers.half, numbers.digits, numbers.best)
    return [
        Cell("–", "", "") if np.isnan(number) else _cell(number, half, digits, is_best, brief)
        for number, half, digits, is_best in zip(*columns, strict=True)
    ]


def _cell(number: float, half: float, digits: int, is_best: bool, brief: bool) -> Cell:
    shown = f"{number:.3g}" if brief else f"{number + 0.0:.{digits}f}"
    shown += "" if np.isnan(half) else f" ± {half:.{digits}f}"
    return Cell(shown, number, "best" if is_best else "")


def _word(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "✓" if value else ""
    return "–" if pd.isna(value) else str(value)
