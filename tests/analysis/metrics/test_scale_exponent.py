import numpy as np
import pandas as pd
import pytest

import analysis

EXPONENTS = [-0.5, 0.0, 0.25, 1.0]


def bowls(rows, exponent, noise=0.0, seeds=2, scales=(1e-2, 1.0, 1e2), decades=4):
    """A parabola in log lr whose minimum is at 0.03 * c^-exponent, between grid points."""
    rng = np.random.default_rng(4)
    parts = []
    for scale in scales:
        cells = {}
        for x in np.arange(-decades - 1, decades, 0.5):
            depth = 0.2 + 0.01 * (x - np.log10(0.03) + exponent * np.log10(scale)) ** 2
            cells[10.0**x, 0.0] = (depth + noise * rng.normal(size=seeds)).tolist()
        parts.append(rows(cells, grad_scale=scale))
    return pd.concat(parts)


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_a_power_law_is_found_exactly(rows, exponent):
    table = analysis.scale_exponent(bowls(rows, exponent)).loc[0]
    assert table[["scale_exponent", "low", "high"]].tolist() == pytest.approx([exponent] * 3, abs=1e-9)
    assert (table["scales"], table["n"], table["edge_minima"]) == (3, 6, 0)
    assert pd.isna(table["reason"])


def test_without_neighbours_to_refine_with_it_is_the_cell(rows):
    one_lr_is_good = [rows({(1e-2 / c, 0.0): [0.1], (10.0 / c, 0.0): [0.5], (1e-5 / c, 0.0): ["failed"],
                            (1e-4 / c, 0.0): [0.1 + 0.4]}, grad_scale=c) for c in (1.0, 10.0, 100.0)]  # fmt: skip
    assert analysis.scale_exponent(pd.concat(one_lr_is_good)).loc[0, "scale_exponent"] == pytest.approx(1.0)


def test_the_interval_is_that_of_least_squares_with_an_intercept_per_seed(rows):
    trials = bowls(rows, 0.25, noise=1e-3, seeds=4)
    table = analysis.scale_exponent(trials).loc[0]
    runs = trials.assign(x=np.log10(trials["lr"]), m=1 - trials["val_accuracy"])
    x, y, dummies = [], [], []
    for (scale, seed), curve in runs.groupby(["grad_scale", "seed"]):
        at = int(curve["m"].argmin())
        near = curve.iloc[at - 1 : at + 2]
        second, first, _ = np.polyfit(near["x"] - near["x"].iloc[1], near["m"], 2)
        x.append(np.log10(scale))
        y.append(near["x"].iloc[1] - first / (2 * second))
        dummies.append(np.eye(4)[seed])
    design = np.column_stack([x, *np.transpose(dummies)])
    beta, residual, *_ = np.linalg.lstsq(design, np.array(y), rcond=None)
    se = np.sqrt(residual[0] / (12 - 5) * np.linalg.inv(design.T @ design)[0, 0])
    assert table["scale_exponent"] == pytest.approx(-beta[0], rel=1e-6)
    assert table["se"] == pytest.approx(se, rel=1e-6)
    assert table["high"] - table["scale_exponent"] == pytest.approx(2.364624251010299 * se, rel=1e-6)


def test_an_optimum_on_an_edge_gives_no_exponent_and_says_where(rows):
    table = analysis.scale_exponent(bowls(rows, 1.0, scales=(1.0, 1e3, 1e4), decades=2)).loc[0]
    assert table["reason"] == "lr* is on the edge of its grid at c = 1000, 10000"
    assert table[["scale_exponent", "low", "high"]].isna().all()
    assert table["edge_minima"] == 4


def test_a_scale_at_which_nothing_worked_is_named(rows):
    dead = pd.concat([
        bowls(rows, 0.0, scales=(1.0, 10.0)),
        rows({(0.1, 0.0): ["diverged"], (1.0, 0.0): ["diverged"], (10.0, 0.0): ["diverged"]}, grad_scale=100.0),
        rows({(0.1, 0.0): ["failed"]}, grad_scale=1000.0),
    ])  # fmt: skip
    reason = analysis.scale_exponent(dead).loc[0, "reason"]
    assert reason == "every run failed at c = 1000; nothing beats chance at c = 100"


def test_too_few_scales_or_seeds_are_named(rows, hand):
    assert analysis.scale_exponent(hand).loc[0, "reason"] == "fewer than 2 gradient scales"
    table = analysis.scale_exponent(bowls(rows, 0.25, seeds=1, scales=(1.0, 10.0))).loc[0]
    assert table["scale_exponent"] == pytest.approx(0.25, rel=1e-9)
    assert table["reason"] == "at least 2 seeds are needed for an interval"
