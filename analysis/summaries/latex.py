r"""LaTeX tables with booktabs and siunitx: numbers in S columns, intervals as uncertainties, the best in bold."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.labels import FOOTNOTE, REIMPLEMENTED
from analysis.summaries.columns import Column, _is_text

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
PREAMBLE = r"""% \usepackage{amssymb, booktabs, etoolbox, siunitx} \robustify\bfseries
% \sisetup{separate-uncertainty = true, table-align-uncertainty = true, detect-weight = true, mode = text}
"""


def latex_table(table: pd.DataFrame, columns: Sequence[Column]) -> str:
    """Set a table, with a block of rows for each task where there is a column task.

    Args:
        table: One row per line.
        columns: What is shown; those that the table does not have are left out.

    Returns:
        A tabular environment, after comments that say what it needs in the preamble. A null is `--`, text is
        escaped, and the best values of each block are bold, all of those that look equal.
    """
    columns = [column for column in columns if column.name in table.columns]
    texts = {column.name: _is_text(table[column.name]) for column in columns}
    tasks = table["task"] if "task" in table.columns else pd.Series("", index=table.index)
    set_cells = {column.name: _column(table, column, tasks, texts[column.name]) for column in columns}
    cells = pd.DataFrame(set_cells, index=table.index, dtype="str")
    shape = "".join("l" if texts[column.name] else _s_column(cells[column.name]) for column in columns)
    lines = [f"\\begin{{tabular}}{{{shape}}}", r"\toprule"]
    lines += [" & ".join(f"{{{column.header}}}" for column in columns) + r" \\"]
    for task, block in cells.groupby(tasks, sort=False):
        lines.append(r"\midrule")
        if tasks.nunique() > 1:
            lines.append(f"\\multicolumn{{{len(columns)}}}{{l}}{{\\emph{{{escape(str(task))}}}}} \\\\")
        lines += [" & ".join(row) + r" \\" for row in block.itertuples(index=False)]
    lines.append(r"\bottomrule")
    if any(
        table[name].str.startswith(REIMPLEMENTED).any()
        for name in ("label", "first", "second")
        if name in table
    ):
        lines.append(f"\\multicolumn{{{len(columns)}}}{{l}}{{\\footnotesize {FOOTNOTE}}} \\\\")
    return PREAMBLE + "\n".join([*lines, r"\end{tabular}"]) + "\n"


def escape(text: str) -> str:
    """Escape what LaTeX would read as a command."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _column(table: pd.DataFrame, column: Column, tasks: pd.Series, text: bool) -> list[str]:
    values = table[column.name]
    if text:
        return [("$\\checkmark$" if value else "") if isinstance(value, bool | np.bool_) else
                "--" if pd.isna(value) else escape(str(value)) for value in values]  # fmt: skip
    numbers = pd.Series(values.to_numpy(dtype=float, na_value=np.nan), index=values.index) * column.scale
    numbers = numbers.round(column.digits) + 0.0  # no -0.00
    half = pd.Series(np.nan, index=values.index)
    if column.interval:
        half = (table[f"{column.name}_high"] - table[f"{column.name}_low"]) / 2 * column.scale
    best = pd.Series(False, index=values.index)
    if column.best:
        groups = numbers.groupby(tasks)
        best = numbers == (groups.transform("min") if column.best == "min" else groups.transform("max"))
    return [
        "{--}" if np.isnan(number) else _number(number, spread, column.digits, is_best)
        for number, spread, is_best in zip(numbers, half, best, strict=True)
    ]


def _number(number: float, spread: float, digits: int, is_best: bool) -> str:
    text = f"{number:.{digits}f}" + ("" if np.isnan(spread) else f" \\pm {spread:.{digits}f}")
    return f"\\bfseries {text}" if is_best else text


def _s_column(cells: pd.Series) -> str:
    """Return an S column as wide as its widest number and uncertainty."""
    numbers = [re.findall(r"[\d.]+", cell) for cell in cells]
    whole = max((len(found[0].partition(".")[0]) for found in numbers if found), default=1)
    decimals = max((len(found[0].partition(".")[2]) for found in numbers if found), default=0)
    spreads = [len(found[1].replace(".", "").lstrip("0")) for found in numbers if len(found) > 1]
    sign = "-" if cells.str.contains("-\\d", regex=True).any() else ""
    uncertainty = f"({max(1, *spreads, 1)})" if spreads else ""
    return f"S[table-format={sign}{whole}{f'.{decimals}' if decimals else ''}{uncertainty}]"
