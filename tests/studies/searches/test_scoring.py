"""Scores of surfaces whose accuracies are given, so that every score can be worked out by hand."""

import pandas as pd
import pytest

from analysis.task_metric import TaskMetric
from studies.searches.scoring import Scorer
from studies.spec.errors import InputError


def surface(label, accuracies, role="grid", diverged=()):
    """Return rows of one label: two seeds, three learning rates, validation accuracies of these rates."""
    rows = pd.DataFrame(
        {
            "task": "t", "optimizer": label, "label": label, "lr": lr, "weight_decay": 0.0, "grad_scale": 1.0,
            "seed": seed, "role": role, "status": "diverged" if lr in diverged else "completed",
            "chance_accuracy": 0.1, "val_accuracy": accuracy, "test_accuracy": accuracy - 0.05,
        }
        for seed in (0, 1)
        for lr, accuracy in zip((0.01, 0.1, 1.0), accuracies, strict=True)
    )  # fmt: skip
    rows.loc[rows["status"] == "diverged", ["val_accuracy", "test_accuracy"]] = float("nan")
    return rows


@pytest.fixture(scope="module")
def scorer():
    return Scorer(surface("adamw", (0.9, 0.9, 0.9)), ("val_error", "sensitivity"))


def test_a_surface_is_scored_at_its_best_cell_and_as_a_whole(scorer):
    scores = scorer.score(surface("mine", (0.5, 0.8, 0.1), role="search"))
    assert (scores["best_lr"], scores["best_weight_decay"], scores["diverged"]) == (0.1, 0.0, 0.0)
    assert scores["val_error"] == pytest.approx(0.2)
    assert scores["test_error"] == pytest.approx(0.25)
    assert scores["sensitivity"] == pytest.approx((0.3 / 0.8 + 0 + 0.7 / 0.8) / 3)
    assert scores["val_error_low"] == scores["val_error_high"] == pytest.approx(0.2)  # both seeds are alike


def test_the_scores_do_not_depend_on_the_label_or_the_role(scorer):
    rows = surface("mine", (0.5, 0.8, 0.1))
    assert scorer.score(rows) == scorer.score(rows.assign(label="adamw", role="confirm"))


def test_errors_are_taken_at_a_cell_that_was_selected_on_other_seeds(scorer):
    cell = pd.Series({"lr": 0.01, "weight_decay": 0.0})
    scores = scorer.score(surface("mine", (0.5, 0.8, 0.1)), cell)
    assert scores["best_lr"] == 0.01
    assert scores["val_error"] == pytest.approx(0.5)
    assert scores["test_error"] == pytest.approx(0.55)


def test_a_surface_that_learned_nowhere_has_the_worst_scores(scorer):
    scores = scorer.score(surface("mine", (0, 0, 0), diverged=(0.01, 0.1, 1.0)))
    assert scores["diverged"] == 1.0
    assert (scores["val_error"], scores["sensitivity"]) == (scorer.worst("val_error"), 1.0)
    assert scorer.worst("val_error") == pytest.approx(0.9)
    assert scorer.score(surface("mine", (0.5, 0.8, 0.1), diverged=(1.0,)))["diverged"] == pytest.approx(1 / 3)


def by_metric(rows, metric):
    """Return rows whose accuracies are values of a metric."""
    rows = rows.rename(columns=lambda name: name.replace("accuracy", "metric"))
    return rows.assign(metric=metric.name, metric_unit=metric.unit, metric_direction=metric.direction)


def test_a_metric_to_be_maximized_is_scored_in_its_own_values():
    f1 = TaskMetric("macro F1", "%", "max")
    scorer = Scorer(by_metric(surface("adamw", (0.9, 0.9, 0.9)), f1), ("val_metric", "sensitivity"))
    assert (scorer.metric, scorer.worst("val_metric"), scorer.ideal) == (f1, 0.1, 1.0)
    scores = scorer.score(by_metric(surface("mine", (0.5, 0.8, 0.1), role="search"), f1))
    assert scores["best_lr"] == 0.1
    assert (scores["val_metric"], scores["test_metric"]) == pytest.approx((0.8, 0.75))
    assert scores["sensitivity"] == pytest.approx((0.3 / 0.8 + 0 + 0.7 / 0.8) / 3)
    assert not {"val_error", "test_error"} & scores.keys()
    assert (scores["metric"], scores["unit"], scores["direction"]) == ("macro F1", "%", "max")
    lost = scorer.score(by_metric(surface("mine", (0, 0, 0), diverged=(0.01, 0.1, 1.0)), f1))
    assert (lost["val_metric"], lost["sensitivity"]) == (0.1, 1.0)


@pytest.mark.parametrize(
    ("direction", "unit", "nothing", "reference", "ideal"),
    [
        ("min", "nats", 2.0, 0.5, 0.0),
        ("min", "nats", -1.0, -1.5, -2.0),
        ("max", "%", 0.25, 0.75, 1.0),
        ("max", "dB", 10.0, 30.0, 50.0),
    ],
)
def test_the_ideal_of_a_metric_is_its_bound_or_twice_what_the_references_gain(
    direction, unit, nothing, reference, ideal
):
    rows = by_metric(surface("adamw", (reference,) * 3), TaskMetric("m", unit, direction))
    scorer = Scorer(rows.assign(chance_metric=nothing), ("val_metric",))
    assert (scorer.nothing, scorer.ideal) == (nothing, ideal)


def test_references_that_learn_nothing_set_no_scale():
    with pytest.raises(InputError, match="the references are no better than chance"):
        Scorer(surface("adamw", (0.1, 0.1, 0.1)), ("sensitivity",))
