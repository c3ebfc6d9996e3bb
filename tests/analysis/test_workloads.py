"""Workloads of one task that have names of their own: every table and figure knows them by these."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import analysis
from analysis.page.trials import explored
from analysis.summaries.report_tables import report_tables, tasks_without_accuracy
from analysis.workloads import by_workload
from tests.analysis.conftest import HAND, make_rows


@pytest.fixture
def two():
    """One task as two workloads: one has a name of its own, the other trained for longer."""
    short = make_rows(HAND, epochs=5, workload="short")
    return pd.concat([short, make_rows(HAND, epochs=20, workload=None)], ignore_index=True)


def test_a_name_of_its_own_stands_in_the_place_of_the_tasks(two):
    named = by_workload(two)
    assert named["task"].tolist() == ["short"] * (len(two) // 2) + ["digits"] * (len(two) // 2)
    assert "workload" not in named
    assert by_workload(named) is named
    assert analysis.summary(two)["task"].tolist() == ["digits", "short"]
    assert set(analysis.check(two)["task"]) == {"digits", "short"}
    assert "unequal-settings" not in set(analysis.check(two)["problem"])
    assert explored(two)["task"].unique().tolist() == ["short", "digits"]
    assert tasks_without_accuracy(two.assign(chance_accuracy=None, val_accuracy=None)) == ["digits", "short"]


def test_a_name_that_stands_for_two_tasks_is_refused():
    rows = pd.concat([make_rows(HAND, workload="x"), make_rows(HAND, task="letters", workload="x")])
    with pytest.raises(
        ValueError, match="a workload must be of one task, but 'x' names rows of 'digits' and"
    ):
        analysis.summary(rows)
    rows = pd.concat([make_rows(HAND, workload="letters"), make_rows(HAND, task="letters", workload=None)])
    with pytest.raises(ValueError, match="'letters' names rows of 'digits' and 'letters'"):
        analysis.task_metrics(rows)


def test_bits_per_character_go_by_the_real_task():
    text = make_rows(HAND, task="char-lm", workload="poems", train_loss=1.0, val_loss=1.0, test_loss=1.0)
    assert analysis.bits_per_character(text)["val_bits"].round(4).unique().tolist() == [1.4427]


def test_runs_of_other_tools_may_name_their_workload():
    runs = make_rows(HAND).rename(columns={"task": "config.task"}).assign(data="small")
    rows = analysis.from_runs(runs, {"task": "config.task", "workload": "data"})
    assert analysis.summary(rows)["task"].unique().tolist() == ["small"]


@settings(max_examples=4, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=2, max_size=2, unique=True), st.data())
def test_names_give_the_tables_that_renamed_tasks_give(names, data):
    errors = st.lists(st.integers(0, 18), min_size=len(HAND), max_size=len(HAND))
    parts, renamed = [], []
    for name in names:
        for label in ("adamw", "sgd"):
            cells = {cell: [value / 20] * 2 for cell, value in zip(HAND, data.draw(errors), strict=True)}
            parts.append(make_rows(cells, label, workload=name))
            renamed.append(make_rows(cells, label, task=name))
    named, plain = report_tables(pd.concat(parts)), report_tables(pd.concat(renamed))
    assert_frame_equal(named.summary, plain.summary)
    assert named.left_out == plain.left_out
    assert named.tables.keys() == plain.tables.keys()
    for name, table in plain.tables.items():
        assert_frame_equal(named.tables[name], table)


def test_a_column_without_names_changes_nothing():
    rows = make_rows(HAND)
    assert_frame_equal(analysis.summary(rows.assign(workload=None)), analysis.summary(rows))
