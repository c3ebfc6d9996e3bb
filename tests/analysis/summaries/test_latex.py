import numpy as np
import pandas as pd

import analysis
from analysis.measures import MEASURES
from analysis.summaries.columns import LAYOUTS, SUMMARY
from analysis.summaries.latex import escape, latex_table

COLUMNS = ["label", "test_error", "width_own", "on_front"]


def example(**columns):
    table = {
        "label": ["a_b", "ada2ms"],
        "test_error": [0.05, 0.123],
        "test_error_low": [0.03, np.nan],
        "test_error_high": [0.07, np.nan],
    }
    return pd.DataFrame(table | {"width_own": [-0.001, np.nan], "on_front": [True, False]} | columns)


def test_numbers_intervals_the_best_nulls_and_names():
    lines = latex_table(example(), COLUMNS).splitlines()
    assert lines[2] == r"\begin{tabular}{lS[table-format=2.2(3)]S[table-format=1.2]l}"
    assert lines[4] == r"{Optimizer} & {Test error, \%} & {$W$, own best} & {Pareto} \\"
    assert lines[6] == r"a\_b & \bfseries 5.00 \pm 2.00 & \bfseries 0.00 & $\checkmark$ \\"
    assert lines[7] == r"ada2ms & 12.30 & {--} &  \\"
    assert lines[8] == r"\bottomrule"
    assert lines[9] == r"\multicolumn{4}{l}{\footnotesize Ada2MS: our reimplementation from the abstract} \\"


def test_each_task_has_a_block_and_a_best_of_its_own():
    text = latex_table(example(task=["x", "y%"]), COLUMNS)
    assert text.count(r"\midrule") == 2
    assert text.count(r"\bfseries 5.00") == text.count(r"\bfseries 12.30") == 1
    assert r"\multicolumn{4}{l}{\emph{y\%}} \\" in text


def test_all_that_look_equal_are_bold_and_a_missing_column_is_left_out():
    text = latex_table(example(test_error=[0.05, 0.05004]).drop(columns="width_own"), COLUMNS)
    assert text.count(r"\bfseries 5.00") == 2
    assert "$W$" not in text


def test_characters_that_mean_something_to_latex_are_escaped():
    assert escape(r"a_b & 50% of #1 {x} $y$ ~ ^ \z") == (
        r"a\_b \& 50\% of \#1 \{x\} \$y\$ \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    )


def test_every_layout_fits_its_table_and_every_row_has_all_columns(hand):
    made = analysis.tables(hand)
    for name, columns in LAYOUTS.items():
        known = set(columns) - {"gap"}
        assert known <= set(made[name].columns)
        text = latex_table(made[name], columns)
        rows = [line for line in text.splitlines() if " & " in line]
        assert {line.count(" & ") for line in rows} == {len(known) - 1}
        assert text.count("{") == text.count("}")


def test_every_column_that_is_shown_has_a_measure():
    assert {name for columns in (SUMMARY, *LAYOUTS.values()) for name in columns} <= set(MEASURES)
