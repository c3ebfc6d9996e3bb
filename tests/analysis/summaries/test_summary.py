import pandas as pd
import pytest

import analysis

COLUMNS = (
    "task label best_lr best_weight_decay edge_distance val_accuracy test_accuracy test_accuracy_low "
    "test_accuracy_high seeds trials diverged failed sensitivity sensitivity_low sensitivity_high width_own "
    "width_global within_own"
)


def test_one_row_says_what_the_parts_say(hand):
    table = analysis.summary(hand)
    row, tested = table.loc[0], analysis.test_error(hand).loc[0]
    assert table.columns.tolist() == COLUMNS.split()
    assert (row["best_lr"], row["best_weight_decay"], row["edge_distance"]) == (0.1, 1.0, 1)
    assert (row["val_accuracy"], row["test_accuracy"]) == (pytest.approx(0.90), pytest.approx(0.89))
    assert row["test_accuracy_low"] == pytest.approx(1 - tested["high"])
    assert row["test_accuracy_high"] == pytest.approx(1 - tested["low"])
    assert row["sensitivity"] == pytest.approx(analysis.sensitivity(hand)["sensitivity"].mean())
    assert (row["seeds"], row["trials"], row["failed"]) == (2, 12, 0)
    assert row["diverged"] == pytest.approx(1 / 12)


def test_the_best_test_accuracy_comes_first_and_a_failed_label_last(rows, hand):
    trials = pd.concat(
        [rows({(0.1, 0.0): ["failed"] * 2}, "broken"), rows({(0.1, 0.0): [0.3] * 2}, "sgd"), hand]
    )
    table = analysis.summary(trials)
    assert table["label"].tolist() == ["adamw", "sgd", "broken"]
    assert table["failed"].tolist() == [0, 0, 2]
    assert table["trials"].tolist() == [12, 2, 2]
    assert table["test_accuracy"].isna().tolist() == [False, False, True]


def test_tasks_are_kept_apart(rows, hand):
    letters = rows({(0.1, 0.0): [0.0, 0.0]}, task="letters", chance_accuracy=0.04)
    table = analysis.summary(pd.concat([hand, letters]))
    alone = analysis.summary(hand)
    assert table["task"].tolist() == ["digits", "letters"]
    pd.testing.assert_frame_equal(table.iloc[:1], alone)


def test_gradient_scales_fresh_seeds_and_search_count_as_trials(rows, hand):
    more = [
        rows({(0.1, 1.0): ["diverged", 0.2]}, grad_scale=1e3),
        rows({(0.1, 1.0): [0.2]}, role="confirm"),
        rows({(0.1, 1.0): [0.2]}, role="search"),
    ]
    row = analysis.summary(pd.concat([hand, *more])).loc[0]
    assert row["trials"] == 16
    assert row["diverged"] == pytest.approx(2 / 16)
