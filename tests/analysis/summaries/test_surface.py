import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import analysis


def test_cells_are_averaged_and_the_selected_one_is_marked(hand):
    cells = analysis.surface(hand)
    assert cells.columns.tolist() == (
        [
            "task",
            "label",
            "optimizer",
            "lr",
            "weight_decay",
            "val_accuracy",
            "seeds",
            "diverged",
            "failed",
            "best",
        ]
    )
    np.testing.assert_allclose(cells["val_accuracy"], [0.68, 0.70, 0.89, 0.90, 0.50, 0.20], rtol=1e-12)
    assert cells["best"].tolist() == [False, False, False, True, False, False]
    assert cells["diverged"].tolist() == [0, 0, 0, 0, 0, 0.5]


def test_agrees_with_plain_pandas_on_test_accuracy(hand):
    cells = analysis.surface(hand, metric="test_accuracy")
    capped = hand.assign(test_accuracy=hand["test_accuracy"].fillna(0.1))
    plain = capped.groupby(["lr", "weight_decay"], as_index=False)["test_accuracy"].mean()
    assert_frame_equal(cells[plain.columns], plain)


def test_gradient_scales_are_shown_at_the_selected_decay(rows, hand):
    scaled = rows({(0.1, 0.0): [0.2, 0.2], (0.1, 1.0): [0.4, 0.6]}, grad_scale=1e3)
    trials = pd.concat([hand, scaled])
    cells = analysis.surface(trials, y="grad_scale")
    assert cells["grad_scale"].tolist() == [1.0, 1.0, 1e3, 1.0]
    assert cells["val_accuracy"].tolist() == pytest.approx([0.7, 0.9, 0.5, 0.2])
    assert cells["best"].tolist() == [False, True, False, False]
    at_zero = analysis.surface(trials, y="grad_scale", at=0.0)
    assert at_zero["val_accuracy"].tolist() == pytest.approx([0.68, 0.89, 0.8, 0.5])
    assert not analysis.surface(trials, at=1e3)["best"].any()


def test_failed_seeds_are_counted_and_a_lost_cell_stays_without_a_value(rows):
    cells = analysis.surface(rows({(0.1, 0.0): [0.2, "failed"], (1.0, 0.0): ["failed", "failed"]}))
    assert cells["failed"].tolist() == [1, 2]
    assert cells["seeds"].tolist() == [1, 0]
    assert cells["val_accuracy"].isna().tolist() == [False, True]
    assert cells["diverged"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": "beta1"}, "x must be one of lr, weight_decay, grad_scale, but got 'beta1'"),
        ({"y": "lr"}, "x and y must differ"),
        ({"metric": "val_loss"}, "metric must be one of val_accuracy, test_accuracy, .* but got 'val_loss'"),
    ],
)
def test_wrong_names_are_refused(hand, arguments, message):
    with pytest.raises(ValueError, match=message):
        analysis.surface(hand, **arguments)
