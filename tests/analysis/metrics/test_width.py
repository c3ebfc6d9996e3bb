import numpy as np
import pandas as pd
import pytest

import analysis


def test_the_hand_worked_table(hand):
    table = analysis.width(hand, delta=0.05).loc[0]
    # at weight decay 1 the means are .30, .10, .80 over two decades, and the limit is .15
    assert table["width_own"] == pytest.approx(0.05 / 0.2 + 0.05 / 0.7, rel=1e-9)
    assert table["width_global"] == pytest.approx(table["width_own"], rel=1e-12)
    assert table["within_own"] == pytest.approx(2 / 6, rel=1e-12)
    assert table["cells"] == 6
    assert not table["censored"]


def test_flat_but_bad_is_wide_only_by_its_own_standard(rows, hand):
    flat = rows({(lr, 1.0): [0.6, 0.6] for lr in (0.01, 0.1, 1.0)}, label="flat")
    table = analysis.width(pd.concat([hand, flat])).set_index("label").loc["flat"]
    assert (table["width_own"], table["width_global"]) == (pytest.approx(2.0), 0.0)
    assert (table["within_own"], table["within_global"]) == (1.0, 0.0)
    assert table["censored"]


def test_separate_good_regions_add_up_and_a_limit_that_is_met_counts(rows):
    errors = [0.1, 0.3, 0.11, 0.11, 0.3]
    table = analysis.width(rows({(10.0**k, 0.0): [error] for k, error in enumerate(errors)})).loc[0]
    # a twentieth of the first decade, none of the rise to .11, the whole of the flat one
    assert table["width_own"] == pytest.approx(0.01 / 0.2 + 1.0, rel=1e-9)
    assert table["within_own"] == pytest.approx(3 / 5)
    assert table["censored"]


def test_one_learning_rate_has_no_width(rows):
    assert analysis.width(rows({(0.1, 0.0): [0.1]})).loc[0, "width_own"] == 0


def test_agrees_with_a_fine_interpolation(rows):
    rng = np.random.default_rng(5)
    lrs = 10.0 ** np.sort(rng.uniform(-4, 0, 7))
    errors = rng.uniform(0.1, 0.3, 7)
    table = analysis.width(rows({(lr, 0.0): [e] for lr, e in zip(lrs, errors, strict=True)}), delta=0.07).loc[
        0
    ]
    fine = np.linspace(np.log10(lrs[0]), np.log10(lrs[-1]), 400_001)
    inside = np.interp(fine, np.log10(lrs), errors) <= errors.min() + 0.07
    assert table["width_own"] == pytest.approx(inside.mean() * (fine[-1] - fine[0]), abs=1e-4)


def test_a_delta_that_is_no_proportion_is_refused(hand):
    with pytest.raises(ValueError, match=r"delta must be in \[0, 1\], but got 2"):
        analysis.width(hand, delta=2)
