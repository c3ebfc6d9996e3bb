import numpy as np
import pandas as pd
import pytest

import analysis


@pytest.fixture(scope="module")
def scaled(hand, rows):
    """The 3 x 2 table at c = 1, and two more gradient scales at the two cells that get chosen."""
    low = rows({(0.1, 0.0): [0.20, 0.22], (0.1, 1.0): [0.32, 0.08]}, grad_scale=1e-3)
    high = rows({(0.1, 0.0): [0.90, 0.12], (0.1, 1.0): ["diverged", 0.08]}, grad_scale=1e3)
    return pd.concat([hand, low, high])


def test_the_hand_worked_table(scaled):
    table = analysis.transfer_regret(scaled)
    # seed 0: the other seed's best is (0.1, 1), .12 at c = 1; .32 at 1e-3, diverged at 1e3. Seed 1: the other
    # seed's best is (0.1, 0), .12 at c = 1; .22 at 1e-3 and .12 at 1e3. D_w = .8
    np.testing.assert_allclose(table["transfer_regret"], [(0.2 / 0.8 + 1) / 2, (0.1 / 0.8) / 2], rtol=1e-9)
    assert table["scales"].tolist() == [2, 2]
    assert table["missing_scales"].tolist() == [0, 0]
    assert table["reference_weight_decay"].tolist() == [1.0, 0.0]
    mean = analysis.mean_transfer_regret(table).loc[0]
    assert (mean["n"], mean["transfer_regret"]) == (2, pytest.approx((1.25 + 0.125) / 4))


def test_the_rows_are_those_of_sensitivity(scaled):
    keys = ["task", "label", "optimizer", "seed", "cross_fitted", "reference_lr", "d_w", "d_w_source"]
    pd.testing.assert_frame_equal(analysis.transfer_regret(scaled)[keys], analysis.sensitivity(scaled)[keys])


def test_a_failed_or_missing_scale_is_counted(scaled):
    lost = scaled[~((scaled["grad_scale"] == 1e-3) & (scaled["seed"] == 0))]
    failed = lost.assign(
        status=lost["status"].mask((lost["grad_scale"] == 1e3) & (lost["seed"] == 1), "failed")
    )
    table = analysis.transfer_regret(failed)
    assert table["missing_scales"].tolist() == [1, 1]
    np.testing.assert_allclose(table["transfer_regret"], [1.0, 0.1 / 0.8], rtol=1e-9)


def test_without_another_scale_there_is_no_number(hand):
    table = analysis.transfer_regret(hand)
    assert table["transfer_regret"].isna().all()
    assert table["scales"].tolist() == [0, 0]


def test_it_is_not_clipped_below(rows):
    trials = pd.concat([rows({(0.1, 0.0): [0.3, 0.3]}), rows({(0.1, 0.0): [0.1, 0.4]}, grad_scale=10.0)])
    gap = 0.9 - 0.3
    np.testing.assert_allclose(
        analysis.transfer_regret(trials)["transfer_regret"], [-0.2 / gap, 0.1 / gap], rtol=1e-9
    )


def test_the_noise_of_a_minimum_does_not_enter(plateaus):
    """Gradient scales change nothing, so T is 0; a seed that chooses for itself finds .02 and more."""
    trials = plateaus(np.full(27, 0.1), 0.01, labels=200, seeds=3, scales=(1e-3, 1.0, 1e3))
    alone = [analysis.transfer_regret(part)["transfer_regret"].mean() for _, part in trials.groupby("seed")]
    assert abs(analysis.transfer_regret(trials)["transfer_regret"].mean()) < 0.002
    assert np.mean(alone) > 0.02
