import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import FillBetweenPolyCollection

from analysis.figures.lr_curves import lr_curves
from analysis.figures.theme import COLUMN_WIDTH
from analysis.summaries.lr_curve import lr_curve

HALF = 12.706204736174694 * np.sqrt(
    0.0008 / 2
)  # t at .975 with 1 degree of freedom, of the values .12 and .08


@pytest.fixture(scope="module")
def both(hand, rows):
    ours = rows({(1e-3, 0.0): [0.5, 0.5], (1e-2, 0.0): [0.2, 0.2]}, label="ada2ms(mixing=0.5)")
    return pd.concat([hand, ours], ignore_index=True)


def bands(ax):
    return [part for part in ax.collections if isinstance(part, FillBetweenPolyCollection)]


def test_the_curve_is_taken_at_the_selected_decay_and_divergence_counts_as_chance(hand):
    table = lr_curve(hand)
    np.testing.assert_allclose(table["lr"], [0.01, 0.1, 1.0])
    np.testing.assert_allclose(table["weight_decay"], 1.0)
    np.testing.assert_allclose(table["val_error"], [0.3, 0.1, 0.8], rtol=1e-12)
    np.testing.assert_allclose(table["low"][:2], [0.3, 0.1 - HALF], rtol=1e-9)
    np.testing.assert_allclose(table["relative"], [0.1, 1, 10])
    np.testing.assert_allclose(table["level"], 0.9)


def test_a_loss_is_that_at_initialization_where_the_run_diverged(hand):
    losses = hand.assign(init_loss=2.3, train_loss=np.where(hand["status"] == "diverged", np.inf, 0.5))
    table = lr_curve(losses, metric="train_loss")
    np.testing.assert_allclose(table["train_loss"], [0.5, 0.5, 1.4])
    np.testing.assert_allclose(table["level"], 2.3)


def test_a_loss_is_at_most_that_at_initialization(hand):
    losses = hand.assign(init_loss=2.3, train_loss=np.where(hand["lr"] == 1.0, 99.0, 0.5))
    table = lr_curve(losses[losses["status"] == "completed"], metric="train_loss")
    np.testing.assert_allclose(table["train_loss"], [0.5, 0.5, 2.3])


def test_lines_bands_and_the_level_are_those_of_the_table(both):
    table = lr_curve(both)
    ax = lr_curves(table)
    ours, adamw, level = ax.lines
    np.testing.assert_allclose(ours.get_xydata(), [[1e-3, 50], [1e-2, 20]])
    np.testing.assert_allclose(adamw.get_xydata(), [[0.01, 30], [0.1, 10], [1, 80]])
    np.testing.assert_allclose(level.get_ydata(), 90)
    heights = bands(ax)[1].get_paths()[0].vertices[:, 1]
    adamw_rows = table[table["label"] == "adamw"]
    np.testing.assert_allclose(
        [heights.min(), heights.max()], [100 * adamw_rows["low"].min(), 100 * adamw_rows["high"].max()]
    )


def test_names_axes_and_legend(both):
    ax = lr_curves(lr_curve(both))
    assert (ax.get_xscale(), ax.get_xlabel(), ax.get_ylabel()) == (
        "log",
        "learning rate",
        "validation error (%)",
    )
    assert [text.get_text() for text in ax.get_xticklabels()] == ["$10^{-3}$", "$10^{-2}$", "$10^{-1}$", "1"]
    (legend,) = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ada2ms(mixing=0.5)†", "adamw", "chance"]
    assert "our reimplementation" in ax.figure.get_supxlabel()
    assert ax.figure.get_figwidth() == COLUMN_WIDTH


def test_aligned_curves_have_their_best_at_one(both):
    ax = lr_curves(lr_curve(both), aligned=True)
    np.testing.assert_allclose(ax.lines[0].get_xdata(), [0.1, 1])
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [0.1, 1, 10])
    assert ax.get_xlabel() == "learning rate / best learning rate"


def test_what_cannot_be_drawn_is_refused(hand):
    with pytest.raises(ValueError, match="metric must be one of val_error"):
        lr_curve(hand, metric="loss")
    with pytest.raises(ValueError, match="must have the column 'train_loss'"):
        lr_curve(hand, metric="train_loss")
    with pytest.raises(ValueError, match="metric must be a column of the curves"):
        lr_curves(lr_curve(hand), metric="train_loss")
    both = pd.concat([hand, hand.assign(task="letters")])
    with pytest.raises(ValueError, match="one task, but the table has digits, letters"):
        lr_curves(lr_curve(both))
