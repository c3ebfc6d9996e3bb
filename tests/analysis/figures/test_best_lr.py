"""Best learning rates by gradient scale: their numbers, their slopes, and where a grid ended."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures.best_lr import best_rate_lines
from analysis.figures.best_of_k import best_of_k_curves
from analysis.metrics.best_of_k import best_of_k
from analysis.metrics.scale_exponent import best_rates


@pytest.fixture(scope="module")
def scaled(rows):
    """AdamW's best learning rate stays at 0.1; SGD's moves from 0.1 to 0.01, one end of its grid, at c = 10."""
    stays = {(0.01, 0.0): [0.3, 0.3], (0.1, 0.0): [0.1, 0.1], (1.0, 0.0): [0.3, 0.3]}
    moves = {(0.01, 0.0): [0.1, 0.1], (0.1, 0.0): [0.3, 0.3], (1.0, 0.0): [0.5, 0.5]}
    parts = [rows(stays, label=label) for label in ("adamw", "sgd")]
    parts += [rows(stays, label="adamw", grad_scale=10.0), rows(moves, label="sgd", grad_scale=10.0)]
    return pd.concat(parts, ignore_index=True)


def solid(line):
    return line.get_markerfacecolor() != "white"


def test_best_rates_by_scale(scaled):
    table = best_rates(scaled)
    assert table["label"].tolist() == ["adamw", "adamw", "sgd", "sgd"]
    np.testing.assert_allclose(table["best_lr"], [0.1, 0.1, 0.1, 0.01], rtol=1e-9)
    np.testing.assert_allclose(table[["low", "high"]].to_numpy().T, [table["best_lr"]] * 2, rtol=1e-9)
    assert table["on_edge"].tolist() == [0, 0, 0, 2]
    assert table["n"].tolist() == [2] * 4


def test_log_lr_against_log_c_has_both_slopes_and_hollow_points_on_edges(scaled):
    ax = best_rate_lines(best_rates(scaled))
    flat, falling = ax.lines[:2]
    for line, slope in ((flat, 0), (falling, -1)):
        x, y = np.log10(line.get_xydata()).T
        assert np.diff(y) == pytest.approx(slope * np.diff(x))
    hollow = [line.get_xydata() for line in ax.lines if not solid(line) and len(line.get_xdata())]
    np.testing.assert_allclose(hollow, [[[10, 0.01]]])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "$10^{1}$"]
    names = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert names == ["adamw", "sgd", "at its grid's edge", "slope 0 (as AdamW)", "slope −1 (as SGD)"]


def test_a_figure_is_drawn_on_the_axes_given(hand, scaled):
    ax = best_of_k_curves(best_of_k(hand)).figure.add_subplot()
    assert best_rate_lines(best_rates(scaled), ax=ax) is ax
    assert len(ax.get_legend().get_texts()) == 5
