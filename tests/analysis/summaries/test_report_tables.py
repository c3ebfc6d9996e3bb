"""What a report makes of rows that do not allow everything: all that can be made, and a line for what cannot."""

import pandas as pd
import pytest

import analysis
from analysis.summaries import tables as tables_module
from analysis.summaries.report_tables import report_tables


@pytest.fixture
def regression(rows):
    """Rows of a task without accuracies."""
    nothing = dict.fromkeys(("chance_accuracy", "val_accuracy", "test_accuracy"))
    return rows({(0.1, 0.0): [0.2, 0.3]}).assign(task="x", **nothing)


def test_rows_without_accuracies_are_said_once(regression):
    made = report_tables(regression)
    assert made.left_out == [
        "no accuracy in these rows: tables by error are left out (task x has correct=None)"
    ]
    assert (made.tables, len(made.summary)) == ({}, 0)


def test_the_tasks_with_accuracies_have_all_their_tables(hand, regression):
    made = report_tables(pd.concat([hand, regression], ignore_index=True))
    assert len(made.left_out) == 1
    assert set(made.tables) == set(analysis.tables(hand))
    assert set(made.summary["task"]) == {"digits"}


def test_a_table_that_fails_takes_no_other_with_it(hand, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("division by zero\n  in a fit")

    monkeypatch.setattr(tables_module, "tunability", broken)
    made = report_tables(hand)
    assert made.left_out == [
        "left out: tunability: division by zero in a fit",
        "left out: metrics: it needs tunability",
    ]
    assert {"sensitivity", "width", "best_of_k"} <= set(made.tables)
    assert set(analysis.tables(hand)) == set(made.tables)
