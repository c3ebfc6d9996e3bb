import io

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import analysis


@pytest.fixture(scope="module")
def suite(hand, rows):
    """Two workloads, two optimizers, three gradient scales; one run diverged, one failed."""
    sgd = rows({(0.01, 0.0): [0.2, 0.3], (0.1, 0.0): [0.15, 0.1], (1.0, 0.0): [0.4, "failed"]}, "sgd")
    one = pd.concat([hand, sgd])
    scaled = pd.concat([one.assign(grad_scale=c, lr=one["lr"] / c**0.5) for c in (1e-2, 1.0, 1e2)])
    both = pd.concat([scaled, scaled.assign(task="letters", val_accuracy=scaled["val_accuracy"] ** 1.1)])
    return both.assign(train_accuracy=0.99).reset_index(drop=True)


def test_the_tables_are_what_the_functions_of_their_names_return(suite):
    made = analysis.tables(suite)
    for name in set(made) - {"metrics"}:
        assert_frame_equal(made[name], getattr(analysis, name)(suite))


def test_the_metrics_gather_them(suite):
    made = analysis.tables(suite)
    metrics = made["metrics"]
    assert metrics[["task", "label"]].to_numpy().tolist() == [
        ["digits", "adamw"], ["digits", "sgd"], ["letters", "adamw"], ["letters", "sgd"],
    ]  # fmt: skip
    assert metrics["test_error_low"].tolist() == made["test_error"]["low"].tolist()
    assert (
        metrics["sensitivity"].tolist()
        == analysis.mean_sensitivity(made["sensitivity"])["sensitivity"].tolist()
    )
    assert metrics["gap"].tolist() == made["generalization_gap"]["gap"].tolist()
    assert metrics.groupby("task")["on_front"].any().all()


def test_without_training_accuracy_there_is_no_gap(suite):
    made = analysis.tables(suite.drop(columns="train_accuracy"))
    assert "generalization_gap" not in made
    assert "gap" not in made["metrics"]


def test_rows_of_a_csv_give_the_same_tables(suite):
    """Only the documented columns, as another program would write them."""
    text = suite[[*analysis.REQUIRED, "train_accuracy"]].to_csv(index=False)
    back = pd.read_csv(io.StringIO(text))
    first, second = analysis.tables(suite), analysis.tables(back)
    for name, table in first.items():
        assert_frame_equal(second[name], table, check_exact=True)


def test_no_rows_give_empty_tables_with_the_same_columns(suite):
    empty, full = analysis.tables(suite.iloc[:0]), analysis.tables(suite)
    assert {name: table.columns.tolist() for name, table in empty.items()} == {
        name: table.columns.tolist() for name, table in full.items()
    }
    assert all(table.empty for table in empty.values())


def test_one_seed_has_means_and_no_intervals(suite):
    metrics = analysis.tables(suite[suite["seed"] == 0])["metrics"]
    assert (
        np.isfinite(metrics[["test_error", "sensitivity", "transfer_regret", "tunability"]]).to_numpy().all()
    )
    assert metrics[["test_error_low", "sensitivity_high", "transfer_regret_low"]].isna().to_numpy().all()
