"""By what a task is judged: read from its rows, brought to errors, and shown again in its own values."""

import math

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import analysis
from analysis.measures import MEASURES, decimals, measure
from analysis.task_metric import ERROR, TaskMetric, by_error, in_metric, value_column
from analysis.trials import has_train

LOSS, F1 = TaskMetric("loss", "nats", "min"), TaskMetric("macro F1", "%", "max")


def test_rows_that_name_no_metric_are_judged_by_error(hand):
    assert analysis.task_metrics(hand) == {"digits": ERROR}
    named = hand.assign(metric=[None, "error"] * 6)
    assert analysis.task_metrics(named) == {"digits": ERROR}
    assert_frame_equal(analysis.errors(named), analysis.errors(hand))


def test_errors_of_a_metric_are_small_where_it_is_good_and_capped_at_knowing_nothing(judged):
    cells = {(0.1, 0.0): [0.5, 3.0, "diverged", "failed", math.inf]}
    runs = analysis.errors(judged(cells, LOSS, nothing=2.0))
    assert runs["val_error"].tolist()[:3] == [0.5, 2.0, 2.0]
    assert math.isnan(runs["val_error"][3])
    assert runs["val_error"][4] == 2.0
    assert runs["chance_error"].unique().tolist() == [2.0]
    runs = analysis.errors(judged({(0.1, 0.0): [0.9, 0.2, "diverged"]}, F1, nothing=0.25))
    assert runs["val_error"].tolist() == [-0.9, -0.25, -0.25]
    assert analysis.task_metrics(runs) == {"digits": F1}


def test_rows_judged_by_a_metric_need_no_accuracy_and_say_which_of_its_columns_is_missing(judged):
    trials = judged({(0.1, 0.0): [0.5]}, LOSS, nothing=2.0)
    assert not any("accuracy" in name for name in trials)
    for name, held in analysis.REQUIRED_METRIC.items():
        if name != "metric":
            with pytest.raises(ValueError, match=f"'{name}'") as caught:
                analysis.errors(trials.drop(columns=name))
            assert held in str(caught.value)
    with pytest.raises(ValueError, match="val_metric must hold the final value"):
        analysis.errors(trials.assign(val_metric=np.nan))
    with pytest.raises(ValueError, match="val_metric must hold the final value"):
        analysis.errors(trials.assign(val_metric=-np.inf))
    with pytest.raises(ValueError, match="metric_direction must be 'min' or 'max', but is 'up'"):
        analysis.errors(trials.assign(metric_direction="up"))


def test_two_metrics_in_a_task_are_refused_in_one_line_that_names_both(judged):
    cells = {(0.1, 0.0): [0.5]}
    both = pd.concat([judged(cells, LOSS, nothing=2.0), judged(cells, F1, nothing=0.1, seed=7)])
    with pytest.raises(
        ValueError, match="'digits' have two: loss .nats. .min. and macro F1 .%. .max."
    ) as caught:
        analysis.errors(both)
    assert "\n" not in str(caught.value)


def test_a_failed_run_that_names_no_metric_has_that_of_its_task(judged):
    trials = judged({(0.1, 0.0): [0.5, "failed"]}, LOSS, nothing=2.0)
    trials[["metric", "metric_unit", "metric_direction"]] = trials[
        ["metric", "metric_unit", "metric_direction"]
    ].where(trials["status"] != "failed", None)
    assert analysis.task_metrics(analysis.errors(trials)) == {"digits": LOSS}


def test_a_suite_reads_each_task_by_its_own_metric(hand, judged):
    other = judged({(0.1, 0.0): [0.5]}, LOSS, nothing=2.0, task="text")
    both = pd.concat([hand, other], ignore_index=True)
    assert analysis.task_metrics(both) == {"digits": ERROR, "text": LOSS}
    runs = analysis.errors(both)
    own = runs[runs["task"] == "digits"][analysis.errors(hand).columns].reset_index(drop=True)
    assert_frame_equal(own, analysis.errors(hand))
    assert analysis.errors(runs) is runs


def test_training_values_are_asked_for_by_metric(judged):
    trials = judged({(0.1, 0.0): [0.5]}, F1, nothing=0.1)
    assert not has_train(trials)
    assert has_train(trials.assign(train_metric=0.75))
    runs = analysis.errors(trials.assign(train_metric=0.75), train=True)
    assert runs["train_error"].tolist() == [-0.75]
    assert has_train(runs)
    with pytest.raises(ValueError, match="'train_metric'"):
        analysis.errors(trials, train=True)


def test_a_table_in_its_metric_has_its_sign_its_names_and_its_ends_in_their_places():
    table = pd.DataFrame(
        {
            "task": ["a", "b", "c"], "label": "adamw", "test_error": [0.25, -0.75, 0.1], "low": [0.2, -0.8, 0.0],
            "high": [0.3, -0.7, 0.2], "gap_low": [0.1, 0.1, 0.1], "gap_high": [0.2, 0.2, 0.2], "gap": 0.15, "sd": 0.5,
        }
    )  # fmt: skip
    shown = in_metric(table, {"a": LOSS, "b": F1, "c": ERROR})
    expected = pd.DataFrame(
        {
            "task": ["a", "b", "c"], "label": "adamw", "metric": ["loss", "macro F1", "error"],
            "unit": ["nats", "%", "%"], "direction": ["min", "max", "min"], "test_metric": [0.25, 0.75, 0.1],
            "low": [0.2, 0.7, 0.0], "high": [0.3, 0.8, 0.2], "gap_low": [0.1, -0.2, 0.1],
            "gap_high": [0.2, -0.1, 0.2], "gap": [0.15, -0.15, 0.15], "sd": 0.5,
        }
    )  # fmt: skip
    assert_frame_equal(shown, expected)
    assert analysis.task_metrics(shown) == {"a": LOSS, "b": F1, "c": ERROR}
    assert in_metric(table, dict.fromkeys("abc", ERROR)) is table


def test_the_column_of_the_values_and_whether_all_is_by_error():
    assert value_column("val", {"a": ERROR}) == "val_error"
    assert value_column("val", {"a": ERROR, "b": F1}) == "val_metric"
    assert by_error({"a": ERROR})
    assert not by_error({"a": ERROR, "b": F1})


def test_measures_have_the_metrics_name_unit_and_direction():
    shown = measure("test_metric", F1)
    assert (shown.title, shown.axis, shown.heading) == (
        "test macro F1",
        "test macro F1 (%)",
        "Test macro F1, %",
    )
    assert (shown.best, shown.factor, shown.digits, shown.short) == ("max", 100.0, 2, "test macro F1 %")
    shown = measure("val_metric", LOSS)
    assert (shown.axis, shown.heading) == ("validation loss (nats)", "Validation loss, nats")
    assert (shown.best, shown.factor, shown.short) == ("min", 1.0, "val loss")
    assert measure("test_metric", ERROR) == MEASURES["test_error"]
    assert measure("gap", ERROR) == MEASURES["gap"]
    assert (measure("gap", LOSS).axis, measure("gap", LOSS).heading) == (
        "generalization gap (nats)",
        "Gap, nats",
    )
    assert (measure("gap", LOSS).best, measure("gap", None).heading) == ("", "Gap")
    assert measure("test_metric", None).heading == "Test metric"
    assert measure("tunability", F1).best == "max"
    assert measure("sensitivity", F1) == MEASURES["sensitivity"]


def test_three_significant_digits_of_the_largest():
    assert decimals([0.0123, -0.00456, math.nan]) == 4
    assert [decimals([value]) for value in (1234.5, 99.94, 1.0, 0.0)] == [0, 1, 2, 2]
    assert decimals([0.0123], digits=2) == 2
