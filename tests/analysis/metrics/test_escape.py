"""Escape times and shares by hand, and the slope that Kramers' rule is judged by."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.stats import chi2

import analysis


def watched(**runs):
    """Return a row and a curve for each run, given whether it is out after each epoch."""
    points = [
        (name, epoch, "val", float(out)) for name, outs in runs.items() for epoch, out in enumerate(outs)
    ]
    curves = pd.DataFrame(points, columns=["trial_id", "epoch", "split", "accuracy"])
    return pd.DataFrame({"trial_id": list(runs), "label": "sgd"}), curves


def test_the_first_epoch_outside_is_the_escape_time():
    times = analysis.escape_times(*watched(a=[0, 0, 1, 0, 1], b=[0, 0, 0, 0, 0], c=[0, 1, 1, 0, 0]))
    assert times["time"].tolist() == [2, 4, 1]
    assert times["escaped"].tolist() == [True, False, True]
    assert times["there"].tolist() == [True, False, False]


def test_runs_that_stayed_count_with_their_time():
    times = analysis.escape_times(*watched(a=[0, 0, 1, 1, 1], b=[0, 0, 0, 0, 0], c=[0, 1, 1, 1, 1]))
    (row,) = analysis.escape_table(times, ["label"]).to_dict("records")
    assert (row["runs"], row["escaped"], row["time"]) == (3, 2, pytest.approx(-1 / np.log(1 - 2 / 7)))
    assert row["time_low"] == 0  # chi2(6) at 97.5 % is 14.4: every epoch might have seen an escape
    assert row["time_high"] == pytest.approx(-1 / np.log(1 - chi2.ppf(0.025, 4) / 14), rel=1e-9)
    # Clopper-Pearson for 2 of 3: at the lower bound p, 3 p^2 (1-p) + p^3 = 0.025
    p = row["share_low"]
    assert 3 * p**2 * (1 - p) + p**3 == pytest.approx(0.025, rel=1e-9)


def test_where_nobody_escapes_there_is_only_a_lower_bound():
    (row,) = analysis.escape_table(analysis.escape_times(*watched(a=[0] * 9)), ["label"]).to_dict("records")
    assert (row["time"], row["time_high"], row["share"], row["share_low"]) == (np.inf, np.inf, 0, 0)
    assert row["time_low"] == pytest.approx(-1 / np.log(1 + np.log(0.025) / 8), rel=1e-9)


def test_the_slope_of_times_that_follow_the_rule_is_1():
    barriers = np.array([2.0, 3.0, 5.0])
    fit = analysis.kramers_slope(barriers, 7 * np.exp(barriers), [100, 100, 25])
    assert (fit["slope"], fit["intercept"]) == (pytest.approx(1), pytest.approx(np.log(7)))
    # weighted mean of barriers 25/9; weighted squared deviations 100*49/81 + 100*4/81 + 25*400/81
    assert fit["high"] - 1 == pytest.approx(1.959964 / np.sqrt(15300 / 81), rel=1e-6)


@pytest.mark.parametrize(("barriers", "escapes"), [([1.0, 1.0], [5, 5]), ([1.0, 2.0], [5, 0])])
def test_a_slope_needs_two_barriers_with_escapes(barriers, escapes):
    with pytest.raises(ValueError, match="at least two barriers"):
        analysis.kramers_slope(barriers, [1.0, 2.0], escapes)


def test_the_figure_has_a_line_per_label_and_arrows_where_nobody_escaped():
    times = analysis.escape_times(*watched(a=[0, 1, 1], b=[0, 0, 1], c=[0, 0, 0]))
    table = analysis.escape_table(times.assign(ratio=[1.0, 4.0, 9.0]), ["label", "ratio"])
    ax = analysis.draw_escape(table, x="ratio", y="time", ax=Figure().add_subplot())
    assert ax.get_legend_handles_labels()[1] == ["sgd"]
    assert ax.lines[0].get_xdata().tolist() == [1, 4]
    assert ax.lines[-1].get_xdata().tolist() == [9]
