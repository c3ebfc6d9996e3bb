r"""LaTeX tables with booktabs and siunitx: numbers in S columns, intervals as uncertainties, the best in bold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.labels import FOOTNOTE, any_reimplemented
from analysis.measures import Measure
from analysis.summaries.columns import columns_of, holds_text, measure_of, numbers_of, tasks_of

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
PREAMBLE = r"""% \usepackage{amssymb, booktabs, etoolbox, siunitx} \robustify\bfseries
% \sisetup{separate-uncertainty = true, table-align-uncertainty = true, detect-weight = true, mode = text}
"""


def latex_table(table: pd.DataFrame, columns: Sequence[str]) -> str:
    """Set a table, with a block of rows for each task where there is a column task.

    Args:
        table: One row per line.
        columns: The columns to show, of those in `analysis.measures.MEASURES`; what the table lacks is left out, or
            shown under its other name: see `analysis.summaries.columns.columns_of`.

    Returns:
        A tabular environment, after comments that say what it needs in the preamble. A null is `--`, text is
        escaped, and the best values of each block are bold, with all that look equal.
    """
    columns = columns_of(table, columns)
    is_text = {name: holds_text(table[name]) for name in columns}
    tasks = tasks_of(table)
    set_cells = {name: _texts(table[name]) if is_text[name] else _numbers(table, name) for name in columns}
    cells = pd.DataFrame(set_cells, index=table.index, dtype="str")
    shape = "".join("l" if is_text[name] else _s_column(cells[name]) for name in columns)
    lines = [f"\\begin{{tabular}}{{{shape}}}", r"\toprule"]
    lines += [" & ".join(f"{{{_heading(measure_of(table, name))}}}" for name in columns) + r" \\"]
    for task, block in cells.groupby(tasks, sort=False):
        lines.append(r"\midrule")
        if tasks.nunique() > 1:
            lines.append(f"\\multicolumn{{{len(columns)}}}{{l}}{{\\emph{{{escape(str(task))}}}}} \\\\")
        lines += [" & ".join(row) + r" \\" for row in block.itertuples(index=False)]
    lines.append(r"\bottomrule")
    if any(any_reimplemented(table[name]) for name in ("label", "first", "second") if name in table):
        lines.append(f"\\multicolumn{{{len(columns)}}}{{l}}{{\\footnotesize {FOOTNOTE}}} \\\\")
    return PREAMBLE + "\n".join([*lines, r"\end{tabular}"]) + "\n"


def _heading(measure: Measure) -> str:
    # the name and the unit of a metric may hold anything
    return measure.latex if measure.symbol else escape(measure.heading)


def escape(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _texts(values: pd.Series) -> list[str]:
    """Set text, and booleans as check marks where they are true."""
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return r"$\checkmark$" if value else ""
    return "--" if pd.isna(value) else escape(str(value))


def _numbers(table: pd.DataFrame, name: str) -> list[str]:
    """Set numbers with their intervals, the best in bold."""
    numbers = numbers_of(table, name)
    rounded = numbers.rounded + 0.0  # no -0.00
    return [
        "{--}" if np.isnan(number) else _number(number, half, digits, is_best)
        for number, half, digits, is_best in zip(
            rounded, numbers.half, numbers.digits, numbers.best, strict=True
        )
    ]


def _number(number: float, half: float, digits: int, is_best: bool) -> str:
    text = f"{number:.{digits}f}" + ("" if np.isnan(half) else f" \\pm {half:.{digits}f}")
    return f"\\bfseries {text}" if is_best else text


def _s_column(cells: pd.Series) -> str:
    """Return an S column as wide as its widest number and uncertainty."""
    numbers = [numbers for cell in cells if (numbers := re.findall(r"[\d.]+", cell))]
    whole = max((len(number.partition(".")[0]) for number, *_ in numbers), default=1)
    decimals = max((len(number.partition(".")[2]) for number, *_ in numbers), default=0)
    spreads = [len(spread.replace(".", "").lstrip("0")) for _, *rest in numbers for spread in rest]
    sign = "-" if cells.str.contains("-\\d", regex=True).any() else ""
    uncertainty = f"({max(1, *spreads, 1)})" if spreads else ""
    return f"S[table-format={sign}{whole}{f'.{decimals}' if decimals else ''}{uncertainty}]"
