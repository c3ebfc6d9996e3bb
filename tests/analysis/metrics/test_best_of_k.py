from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analysis


def brute_force(val, test, k):
    """Average over all subsets of k cells; those that tie on validation share the win."""
    wins = []
    for subset in combinations(range(len(val)), k):
        best = min(val[i] for i in subset)
        wins.append(np.mean([test[i] for i in subset if val[i] == best]))
    return np.mean(wins)


def table_of(rows, val, test):
    cells = {(10.0**i, 0.0): [error] for i, error in enumerate(val)}
    return rows(cells).assign(test_accuracy=1 - np.asarray(test, dtype=float))


def test_the_hand_worked_curve(rows):
    # by validation test errors come in the order .3, .1, .6: (.3+.1+.6)/3, (2*.3+.1)/3, .3
    trials = table_of(rows, [0.5, 0.1, 0.2], [0.6, 0.3, 0.1])
    curve = analysis.best_of_k(trials)
    np.testing.assert_allclose(curve["test_error"], [1 / 3, 0.7 / 3, 0.3], rtol=1e-12)
    assert curve["k"].tolist() == [1, 2, 3]
    area = analysis.tunability(trials).loc[0]
    assert (area["tunability"], area["cells"]) == (pytest.approx((1 / 3 + 0.7 / 3 + 0.3) / 3), 3)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 20)), min_size=1, max_size=8))
def test_agrees_with_all_subsets_ties_included(rows, errors):
    val, test = np.array(errors).T / 20
    curve = analysis.best_of_k(table_of(rows, val, test))
    val, test = np.minimum(val, 0.9), np.minimum(test, 0.9)  # the chance error
    expected = [brute_force(val, test, k) for k in range(1, len(val) + 1)]
    np.testing.assert_allclose(curve["test_error"], expected, atol=1e-12)


def test_seeds_are_averaged_and_a_failed_cell_shortens_a_curve(rows):
    cells = {(1.0, 0.0): [0.1, 0.3], (10.0, 0.0): [0.2, "failed"], (100.0, 0.0): ["diverged", "diverged"]}
    curve = analysis.best_of_k(rows(cells))
    first, second = (0.11 + 0.21 + 0.9) / 3, (0.31 + 0.9) / 2
    assert curve["n"].tolist() == [2, 2, 1]
    assert curve["test_error"].iloc[0] == pytest.approx((first + second) / 2)
    assert curve["test_error"].iloc[1] == pytest.approx(((2 * 0.11 + 0.21) / 3 + 0.31) / 2)
    assert curve["test_error"].iloc[2] == pytest.approx(0.11)


def test_a_large_grid_stays_exact(rows):
    rng = np.random.default_rng(0)
    lrs = np.geomspace(1e-4, 1, 3000)
    trials = rows({(lr, 0.0): [e] for lr, e in zip(lrs, rng.uniform(0, 0.88, 3000), strict=True)})
    curve = analysis.best_of_k(trials)["test_error"].to_numpy()
    ordered = np.sort(1 - trials["test_accuracy"])  # the order of validation too
    # of two draws the i-th best wins with probability 2 (N - i) / (N (N - 1))
    weights = 2 * np.arange(2999, -1, -1) / (3000 * 2999)
    assert curve[[0, 1, -1]].tolist() == pytest.approx(
        [ordered.mean(), ordered @ weights, ordered[0]], rel=1e-9
    )
    assert (np.diff(curve) <= 1e-12).all()


def test_a_label_without_a_usable_run_keeps_its_row(rows, hand):
    table = analysis.tunability(pd.concat([hand, rows({(0.1, 0.0): ["failed"]}, label="sgd")]))
    assert table["label"].tolist() == ["adamw", "sgd"]
    assert table["cells"].tolist() == [6, 0]
    assert table["tunability"].isna().tolist() == [False, True]
