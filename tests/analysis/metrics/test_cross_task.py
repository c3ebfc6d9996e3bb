from itertools import product

import numpy as np
import pandas as pd
import pytest

import analysis


def suite(rows, matrix, label="adamw", decays=(0.0,)):
    """One workload per row of `matrix`, whose columns are the cells; chance error is 0.9."""
    parts = []
    for index, line in enumerate(matrix):
        cells = {
            (10.0**lr, decay): [error]
            for (lr, decay), error in zip(product(range(len(line) // len(decays)), decays), line, strict=True)
        }
        parts.append(rows(cells, label, task=f"task{index}"))
    return pd.concat(parts)


def test_the_hand_worked_suite(rows):
    # D_w is .8, .8, .8, .4, .4; scores 1 .5 / 1 .75 / .5 1 / 1 0 / .5 1, so that the shared cell is the first
    matrix = [[0.1, 0.5], [0.1, 0.3], [0.5, 0.1], [0.5, 0.9], [0.7, 0.5]]
    table = analysis.cross_task_sensitivity(suite(rows, matrix)).loc[0]
    assert (table["tuned_score"], table["shared_score"]) == (pytest.approx(1.0), pytest.approx(0.8))
    assert (table["phi"], table["lr"]) == (pytest.approx(0.2), 1.0)
    assert (table["effective_hyperparameters"], table["workloads"], table["cells"]) == (1, 5, 2)


def test_one_setting_for_all_leaves_nothing_to_tune(rows):
    table = analysis.cross_task_sensitivity(suite(rows, [[0.1, 0.5]] * 5)).loc[0]
    assert (table["phi"], table["effective_hyperparameters"]) == (pytest.approx(0.0), 0)


def test_both_hyperparameters_may_need_tuning(rows):
    """Cells (lr, wd) = 00, 01, 10, 11: every workload has another good one, and its neighbours do not help."""
    matrix = 0.9 - 0.8 * np.eye(4)[[0, 3, 0, 3, 0]]
    table = analysis.cross_task_sensitivity(suite(rows, matrix.tolist(), decays=(0.0, np.nan))).loc[0]
    assert (table["phi"], table["effective_hyperparameters"]) == (pytest.approx(1 - 3 / 5), 2)
    tuned = suite(rows, (0.9 - 0.8 * np.eye(4)[[0, 1, 0, 1, 0]]).tolist(), decays=(0.0, np.nan))
    table = analysis.cross_task_sensitivity(tuned).loc[0]
    assert (table["effective_hyperparameters"], table["weight_decay"]) == (1, 0.0)


def test_adding_an_optimizer_moves_nothing(rows):
    matrix = [[0.1, 0.5], [0.1, 0.3], [0.5, 0.1], [0.5, 0.9], [0.7, 0.5]]
    alone = analysis.cross_task_sensitivity(suite(rows, matrix))
    better = suite(rows, [[0.0, 0.0]] * 5, label="muon")
    both = analysis.cross_task_sensitivity(pd.concat([suite(rows, matrix), better]))
    pd.testing.assert_frame_equal(both[both["label"] == "adamw"].reset_index(drop=True), alone)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t[t["task"] != "task0"], "at least 5 workloads are needed"),
        (lambda t: t.assign(status=t["status"].mask(t["task"] == "task1", "failed")), "every run failed on 1"),
        (lambda t: t.assign(lr=t["lr"] * t["task"].str[-1].astype(int).add(1)), "no cell is common"),
        (lambda t: t.assign(val_accuracy=t["val_accuracy"].mask(t["task"] == "task2", 0.1)), "no reference beats"),
    ],
)  # fmt: skip
def test_where_it_is_not_available_the_reason_is_given(rows, change, reason):
    table = analysis.cross_task_sensitivity(change(suite(rows, [[0.1, 0.5]] * 5))).loc[0]
    assert table["reason"].startswith("not available: ")
    assert reason in table["reason"]
    assert pd.isna(table["phi"])
    assert pd.isna(table["effective_hyperparameters"])
