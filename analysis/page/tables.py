"""Tables as a page shows them: the columns and numbers of the LaTeX tables, and whole numbers to sort by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.summaries.columns import LAYOUTS, SUMMARY, Column

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
_NEEDED = {"cross_task_sensitivity": "phi", "wilcoxon_holm": "p"}
"""What a table is left out without: that of too few workloads says nothing."""
_SIGNS = {r"\%": "%", "$": "", r"\eta^2": "η²", r"\Phi": "Φ"}


@dataclass(frozen=True)
class Header:
    """A column's name, and whether it holds text."""

    name: str
    text: bool


@dataclass(frozen=True)
class Cell:
    """What a cell shows, the number it is sorted by ('' where it is null, None for text), and its classes."""

    shown: str
    value: float | str | None
    classes: str


@dataclass(frozen=True)
class PageTable:
    """A table as the page's template takes it."""

    title: str
    caption: str
    headers: Sequence[Header]
    rows: Sequence[Sequence[Cell]]


def page_tables(tables: Mapping[str, pd.DataFrame]) -> list[PageTable]:
    """Return the tables of `TITLES` that are there and say something, each with the columns it has.

    Args:
        tables: Output of `analysis.tables`, and `analysis.summary` as 'summary'.
    """
    made = []
    for name, title in TITLES.items():
        table = tables.get(name, pd.DataFrame())
        if table.empty or (name in _NEEDED and table[_NEEDED[name]].isna().all()):
            continue
        layout = SUMMARY if name == "summary" else LAYOUTS[name]
        if "task" in table and layout[0].name != "task":
            layout = (Column("task", "Task"), *layout)
        columns = [column for column in layout if column.name in table]
        if "task" in table and table["task"].nunique() == 1:
            columns = [column for column in columns if column.name != "task"]
        made.append(_table(table, columns, title, CAPTIONS.get(name, "")))
    return made


def _table(table: pd.DataFrame, columns: Sequence[Column], title: str, caption: str) -> PageTable:
    task = table["task"] if "task" in table else pd.Series("", index=table.index)
    cells = [_cells(table, column, task) for column in columns]
    headers = [Header(_plain(column.header), _is_text(table[column.name])) for column in columns]
    return PageTable(title, caption, headers, list(zip(*cells, strict=True)))


def _plain(header: str) -> str:
    for latex, sign in _SIGNS.items():
        header = header.replace(latex, sign)
    return header


def _is_text(values: pd.Series) -> bool:
    return pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values)


def _cells(table: pd.DataFrame, column: Column, task: pd.Series) -> list[Cell]:
    values = table[column.name]
    if _is_text(values):
        return [Cell(_word(value), None, "text") for value in values]
    numbers = pd.Series(values.to_numpy(dtype=float, na_value=np.nan), index=values.index) * column.scale
    half = pd.Series(np.nan, index=values.index)
    if column.interval:
        half = (table[f"{column.name}_high"] - table[f"{column.name}_low"]) / 2 * column.scale
    best = pd.Series(False, index=values.index)
    if column.best:
        rounded = numbers.round(column.digits)
        groups = rounded.groupby(task)
        best = rounded == (groups.transform("min") if column.best == "min" else groups.transform("max"))
    return [
        Cell("–", "", "") if np.isnan(number) else _cell(number, spread, column.digits, bold)
        for number, spread, bold in zip(numbers, half, best, strict=True)
    ]


def _cell(number: float, spread: float, digits: int, bold: bool) -> Cell:
    shown = f"{number:.3g}" if digits < 0 else f"{number + 0.0:.{digits}f}"
    shown += "" if np.isnan(spread) else f" ± {spread:.{digits}f}"
    return Cell(shown, number, "best" if bold else "")


def _word(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "✓" if value else ""
    return "–" if pd.isna(value) else str(value)
