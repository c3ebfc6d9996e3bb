"""Offsets of elementwise from global moments, by hand, and their figure."""

import pandas as pd
import pytest

import analysis


def moments():
    head = {"elements": 4, "zeros": 0.5}
    tail = {"log_v_low": -8.0, "log_v_median": -6.0, "log_v_high": -3.0, "log_global": -4.0}
    rows = [
        {"trial_id": "a", "epoch": 1, "layer": "weight", **head, **tail},
        {"trial_id": "a", "epoch": 1, "layer": "bias", **head, **tail, "log_v_low": -7.0},
        {"trial_id": "b", "epoch": 1, "layer": "weight", **head, **tail, "log_global": -5.0},
        {"trial_id": "b", "epoch": 1, "layer": "bias", **head, **tail, "log_global": -5.0},
    ]
    trials = pd.DataFrame({"trial_id": ["a", "b", "c"], "task": "t", "label": ["ada2ms(mixing=0.5)"] * 3})
    return trials, pd.DataFrame(rows)


def test_offsets_are_averaged_over_runs():
    table = analysis.distortion(*moments())
    assert table["layer"].tolist() == ["weight", "bias"]
    first = table.iloc[0]
    assert (first["low"], first["median"], first["high"]) == (-3.5, -1.5, 1.5)
    assert (first["spread"], first["zeros"], first["runs"]) == (5, 0.5, 2)


def test_the_figure_has_a_bar_for_each_layer_and_a_line_at_the_global_moment():
    figure = analysis.distortion_grid(analysis.distortion(*moments()))
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["weight", "bias"]
    assert ax.lines[0].get_xdata() == [0, 0]
    (bars,) = ax.collections
    assert bars.get_segments()[0][:, 0].tolist() == [-3.5, 1.5]
    assert ax.get_title() == "ada2ms(mixing=0.5)†"
    assert "our reimplementation" in figure.legends[0].get_texts()[-1].get_text()


def test_every_panel_without_one_below_it_has_its_numbers():
    table = analysis.distortion(*moments())
    figure = analysis.distortion_grid(pd.concat(table.assign(label=label) for label in "abcd"))
    numbered = [ax.xaxis.get_tick_params()["labelbottom"] for ax in figure.axes]
    assert numbered == [False, True, True, True]


def test_several_tasks_are_refused():
    table = analysis.distortion(*moments())
    with pytest.raises(ValueError, match="one task"):
        analysis.distortion_grid(pd.concat([table, table.assign(task="u")]))
