import pandas as pd
import pytest

import analysis


def test_the_gap_is_test_less_train_at_the_selected_cell(hand):
    trials = hand.assign(train_accuracy=hand["val_accuracy"] + [0.05, 0.03] * 6)
    table = analysis.generalization_gap(trials).loc[0]
    # at (0.1, 1) validation errors are .12 and .08, test errors .13 and .09, training errors .07 and .05
    assert table["gap"] == pytest.approx(0.05, rel=1e-9)
    assert (table["train_error"], table["test_error"]) == (pytest.approx(0.06), pytest.approx(0.11))
    assert table["high"] - table["gap"] == pytest.approx(12.706204736432095 * 0.01, rel=1e-6)
    assert (table["n"], table["source"], table["diverged"]) == (2, "grid", 0)


def test_fresh_seeds_count_and_a_diverged_one_has_no_gap(rows, hand):
    fresh = rows({(0.1, 1.0): [0.2, "diverged", "failed"]}, role="confirm")
    trials = pd.concat([hand, fresh])
    table = analysis.generalization_gap(trials.assign(train_accuracy=1.0)).loc[0]
    assert table["gap"] == pytest.approx((0.21 + 0.0) / 2, rel=1e-9)
    assert (table["n"], table["source"], table["diverged"], table["failed"]) == (2, "confirm", 1, 1)


def test_a_missing_training_accuracy_is_named(hand):
    with pytest.raises(ValueError, match=r"'train_accuracy' \(the final training accuracy, a fraction\)"):
        analysis.generalization_gap(hand)
    with pytest.raises(ValueError, match="^train_accuracy must hold the final training accuracy"):
        analysis.generalization_gap(hand.assign(train_accuracy=97.0))
