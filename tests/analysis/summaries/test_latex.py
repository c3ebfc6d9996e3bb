import numpy as np
import pandas as pd

import analysis
from analysis.summaries.columns import LAYOUTS, Column
from analysis.summaries.latex import escape, latex_table

COLUMNS = [
    Column("label", "Optimizer"),
    Column("e", r"E, \%", 1, 100, "min", True),
    Column("w", "W", 2, 1, "max"),
    Column("good", "Good"),
]


def example(**columns):
    table = {
        "label": ["a_b", "ada2ms"],
        "e": [0.05, 0.123],
        "e_low": [0.03, np.nan],
        "e_high": [0.07, np.nan],
    }
    return pd.DataFrame(table | {"w": [-0.001, np.nan], "good": [True, False]} | columns)


def test_numbers_intervals_the_best_nulls_and_names():
    lines = latex_table(example(), COLUMNS).splitlines()
    assert lines[2] == r"\begin{tabular}{lS[table-format=2.1(2)]S[table-format=1.2]l}"
    assert lines[4] == r"{Optimizer} & {E, \%} & {W} & {Good} \\"
    assert lines[6] == r"a\_b & \bfseries 5.0 \pm 2.0 & \bfseries 0.00 & $\checkmark$ \\"
    assert lines[7] == r"ada2ms & 12.3 & {--} &  \\"
    assert lines[8] == r"\bottomrule"
    assert lines[9] == r"\multicolumn{4}{l}{\footnotesize Ada2MS: our reimplementation from the abstract} \\"


def test_each_task_has_a_block_and_a_best_of_its_own():
    text = latex_table(example(task=["x", "y%"]), COLUMNS)
    assert text.count(r"\midrule") == 2
    assert text.count(r"\bfseries 5.0") == text.count(r"\bfseries 12.3") == 1
    assert r"\multicolumn{4}{l}{\emph{y\%}} \\" in text


def test_all_that_look_equal_are_bold_and_a_missing_column_is_left_out():
    text = latex_table(example(e=[0.05, 0.0504]).drop(columns="w"), COLUMNS)
    assert text.count(r"\bfseries 5.0") == 2
    assert "{W}" not in text


def test_characters_that_mean_something_to_latex_are_escaped():
    assert escape(r"a_b & 50% of #1 {x} $y$ ~ ^ \z") == (
        r"a\_b \& 50\% of \#1 \{x\} \$y\$ \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    )


def test_every_layout_fits_its_table_and_every_row_has_all_columns(hand):
    made = analysis.tables(hand)
    for name, columns in LAYOUTS.items():
        known = {column.name for column in columns} - {"gap"}
        assert known <= set(made[name].columns)
        text = latex_table(made[name], columns)
        rows = [line for line in text.splitlines() if " & " in line]
        assert {line.count(" & ") for line in rows} == {len(known) - 1}
        assert text.count("{") == text.count("}")
