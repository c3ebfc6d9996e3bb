import numpy as np
import pandas as pd
import pytest
from scipy import stats

import analysis


def test_the_cell_with_the_lowest_mean_is_selected(hand):
    best = analysis.selected_cells(hand).loc[0]
    # means .32 .30 / .11 .10 / .50 .80: (0.1, 1), though (0.1, 0) is better on seed 0
    assert (best["label"], best["lr"], best["weight_decay"]) == ("adamw", 0.1, 1.0)
    assert best["val_error"] == pytest.approx(0.10, rel=1e-12)
    assert best["seeds"] == 2
    assert best["edge_distance"] == 1


@pytest.mark.parametrize(("best", "distance"), [(0, 0), (1, 1), (2, 2), (3, 1), (4, 0)])
def test_edge_distance_counts_cells_to_the_nearest_end(rows, best, distance):
    cells = {(10.0**i, 0.0): [0.1 if i == best else 0.5] for i in range(5)}
    assert analysis.selected_cells(rows(cells))["edge_distance"].tolist() == [distance]


def test_an_edge_whose_runs_all_failed_is_not_part_of_the_grid(rows):
    cells = {(0.01, 0.0): ["failed"], (0.1, 0.0): [0.1], (1.0, 0.0): [0.2]}
    assert analysis.selected_cells(rows(cells))["edge_distance"].tolist() == [0]


def test_ties_go_to_the_smaller_lr_then_to_the_smaller_decay(rows):
    # .1 + .3 and .3 + .1 tie exactly; their floating-point means need not
    cells = {(1.0, 0.0): [0.1, 0.3], (0.1, 1.0): [0.3, 0.1], (0.1, 0.5): [0.2, 0.2], (0.01, 0.0): [0.5, 0.5]}
    best = analysis.selected_cells(rows(cells)).loc[0]
    assert (best["lr"], best["weight_decay"]) == (0.1, 0.5)


def test_a_diverged_seed_counts_against_a_cell_and_a_failed_one_does_not(rows):
    cells = {(0.1, 0.0): [0.1, "diverged"], (1.0, 0.0): [0.3, 0.3], (10.0, 0.0): [0.2, "failed"]}
    best = analysis.selected_cells(rows(cells)).loc[0]
    assert (best["lr"], best["val_error"], best["seeds"]) == (10.0, pytest.approx(0.2), 1)


def test_only_grid_rows_at_gradient_scale_one_select(rows, hand):
    better = {(0.01, 0.0): [0.01, 0.01]}
    others = [rows(better, role="confirm"), rows(better, role="search"), rows(better, grad_scale=10.0)]
    assert analysis.selected_cells(pd.concat([hand, *others])).loc[0, "lr"] == 0.1


def test_a_null_decay_is_a_cell_like_any_other(rows):
    best = analysis.selected_cells(rows({(0.1, np.nan): [0.1], (1.0, np.nan): [0.2], (1.0, 0.0): [0.3]})).loc[
        0
    ]
    assert best["lr"] == 0.1
    assert np.isnan(best["weight_decay"])


def test_a_label_without_a_usable_run_keeps_its_row(rows, hand):
    trials = pd.concat([hand, rows({(0.1, 0.0): ["failed"]}, label="sgd")])
    sgd = analysis.selected_cells(trials).set_index("label").loc["sgd"]
    assert sgd["seeds"] == 0
    assert sgd[["lr", "val_error", "edge_distance"]].isna().all()


def test_test_error_falls_back_to_the_grid(hand):
    table = analysis.test_error(hand).loc[0]
    low, high = stats.t.interval(0.95, 1, loc=0.11, scale=0.02 * np.sqrt(2) / np.sqrt(2))
    assert table["source"] == "grid"
    assert table["test_error"] == pytest.approx(0.11, rel=1e-12)  # .13 and .09
    assert table["sd"] == pytest.approx(0.02 * np.sqrt(2), rel=1e-9)
    assert [table["low"], table["high"]] == pytest.approx([low, high], rel=1e-9)


def test_test_error_rests_on_fresh_seeds_where_there_are_any(rows, hand):
    fresh = rows({(0.1, 1.0): [0.2, 0.3, "diverged", "failed"], (0.1, 0.0): [0.0]}, role="confirm")
    table = analysis.test_error(pd.concat([hand, fresh])).loc[0]
    assert (table["source"], table["n"], table["failed"]) == ("confirm", 3, 1)
    assert table["test_error"] == pytest.approx((0.21 + 0.31 + 0.9) / 3, rel=1e-12)


def test_fresh_seeds_that_all_failed_leave_the_grid(rows, hand):
    fresh = rows({(0.1, 1.0): ["failed"]}, role="confirm")
    assert analysis.test_error(pd.concat([hand, fresh])).loc[0, "source"] == "grid"


def test_test_errors_by_seed_are_those_that_are_averaged(rows, hand):
    fresh = rows({(0.1, 1.0): [0.2, 0.3, "diverged", "failed"]}, role="confirm")
    for trials in (hand, pd.concat([hand, fresh])):
        seeds, mean = analysis.test_error_by_seed(trials), analysis.test_error(trials).loc[0]
        assert seeds["test_error"].mean() == pytest.approx(mean["test_error"], rel=1e-12)
        assert (len(seeds), seeds["source"].unique().tolist()) == (mean["n"], [mean["source"]])
    assert seeds["seed"].tolist() == [0, 1, 2]
    assert seeds["diverged"].tolist() == [False, False, True]
