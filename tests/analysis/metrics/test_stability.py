"""Training stability, by hand."""

import pandas as pd
import pytest

import analysis


def curve(trial_id, losses):
    return pd.DataFrame(
        {"trial_id": trial_id, "epoch": range(len(losses)), "split": "train", "loss": losses, "accuracy": 0.5}
    )


def test_an_epoch_is_unstable_above_twice_the_lowest_loss_before_it():
    # lowest before: 4, 4, 1, 1, 0.5; limits 8, 8, 2, 2, 1
    curves = pd.concat([curve("a", [4, 5, 1, 2.1, 0.5, 1.0]), curve("b", [1, 2.0, float("nan")])])
    table = analysis.unstable_share(curves).set_index("trial_id")
    assert table["unstable"].to_dict() == {"a": pytest.approx(1 / 5), "b": 0.5}
    assert table["epochs"].to_dict() == {"a": 5, "b": 2}


def test_the_order_of_rows_and_other_splits_do_not_matter():
    curves = curve("a", [4, 5, 1, 2.1, 0.5, 1.0])
    others = curves.assign(split="val", loss=[1, 9, 1, 9, 1, 9])
    shuffled = pd.concat([curves, others]).sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(analysis.unstable_share(shuffled), analysis.unstable_share(curves))


def test_epochs_that_a_stopped_run_never_took_are_unstable():
    row = {"task": "t", "label": "sgd", "optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "grad_scale": 1.0}
    row |= {"role": "grid", "epochs": 4}
    rows = pd.DataFrame(
        [
            {**row, "trial_id": "a", "status": "completed", "stopped_step": None},
            {**row, "trial_id": "b", "status": "diverged", "stopped_step": 7},
            {**row, "trial_id": "c", "status": "diverged", "stopped_step": 1},
        ]
    )
    curves = pd.concat([curve("a", [4, 3, 2, 1, 1]), curve("b", [4, 3]), curve("c", [4])])
    table = analysis.stability(rows, curves)
    assert table[["unstable", "seeds"]].to_numpy().tolist() == [[pytest.approx((0 + 3 / 4 + 1) / 3), 3]]


def test_a_factor_below_1_is_refused():
    with pytest.raises(ValueError, match=r"factor must be at least 1, but got 0\.5"):
        analysis.unstable_share(curve("a", [1, 1]), factor=0.5)
