"""A study as the command prints it."""

import io

import pandas as pd
import pytest
from rich.console import Console

from studies.planning.plan import plan
from studies.spec.study import StudySpec
from studies.sweep.estimate import Cost
from studies.terminal.study import (
    print_failures,
    print_figures,
    print_metrics,
    print_plan,
    print_report,
    summary_table,
)


@pytest.fixture
def screen():
    return Console(file=io.StringIO(), width=120)


def words(screen):
    """Return what was printed, with one space wherever there are several."""
    return " ".join(screen.file.getvalue().split())


SUMMARY = {
    "task": "t",
    "label": "adamw",
    "best_lr": 0.01,
    "best_weight_decay": 1e-4,
    "val_accuracy": 0.9567,
    "test_accuracy": 0.95,
    "test_accuracy_low": 0.94,
    "test_accuracy_high": 0.96,
    "sensitivity": 0.1234,
    "sensitivity_low": float("nan"),
    "sensitivity_high": float("nan"),
    "width_own": float("nan"),
    "diverged": 0.25,
    "failed": 1,
    "trials": 8,
}


def test_the_summary_is_in_percent_with_intervals_where_there_are_any(screen):
    screen.print(summary_table(pd.DataFrame([SUMMARY])))
    assert "adamw 0.01 0.0001 95.67 95.00 ± 1.00 0.123 – 25.0 % 1 8" in words(screen)
    assert "task" not in words(screen)
    screen.print(summary_table(pd.DataFrame([SUMMARY, SUMMARY | {"task": "u"}])))
    assert "u adamw 0.01" in words(screen)


def test_measures_that_were_not_taken_have_no_column(screen):
    metrics = {
        "task": "t",
        "label": "adamw",
        "on_front": True,
        "gap": 0.025,
        "gap_low": 0.02,
        "gap_high": 0.03,
    }
    print_metrics(screen, {"metrics": pd.DataFrame([metrics])})
    assert "t adamw 2.50 ± 0.50 yes" in words(screen)
    assert "tunability %" not in words(screen)


LOSS = {"metric": "loss", "unit": "nats", "direction": "min"}
F1 = {"metric": "macro F1", "unit": "%", "direction": "max"}


def by_metric(metric, low, middle, high):
    """Return the summary's row with values of a metric in place of its accuracies."""
    row = {name: value for name, value in SUMMARY.items() if "accuracy" not in name}
    values = {"val_metric": middle, "test_metric": middle, "test_metric_low": low, "test_metric_high": high}
    return row | metric | values


def test_values_of_a_metric_have_its_name_its_unit_and_three_digits(screen):
    print_report(screen, pd.DataFrame([by_metric(LOSS, 0.0123, 0.0133, 0.0143)]), "runs/s", [])
    text = words(screen)
    assert "optimizer lr wd val loss test loss S" in text
    assert "adamw 0.01 0.0001 0.0133 0.0133 ± 0.0010 0.123" in text
    assert "test loss, in nats: there, over seeds" in text
    assert "the mean share that is lost of what can be learned within 1.5 decades" in text
    assert "within 1 % of what can be learned of the best" in text
    assert "accuracy" not in text


def test_tasks_of_several_metrics_have_columns_that_name_them(screen):
    both = [by_metric(LOSS, 1.0, 1.25, 1.5), by_metric(F1, 0.85, 0.9, 0.95) | {"task": "u"}]
    screen.print(summary_table(pd.DataFrame(both)))
    text = words(screen)
    assert "task optimizer metric unit lr wd val test S" in text
    assert "t adamw loss nats 0.01 0.0001 1.25 1.25 ± 0.25" in text
    assert "u adamw macro F1 % 0.01 0.0001 90.00 90.00 ± 5.00" in text


def test_failures_and_left_out_figures_are_listed_as_they_are(screen):
    print_failures(screen, ["abc [lr=1]: KeyError: 'x'"], 3)
    print_figures(screen, "runs/s", [], {"plane": "no [p, q]"})
    text = screen.file.getvalue()
    assert text.splitlines() == [
        "",
        "1 failed, 3 not run",
        "  abc [lr=1]: KeyError: 'x'",
        "no plane: no [p, q]",
    ]


@pytest.mark.parametrize(("confirm", "end"), [(None, "about 2 min"), (2, "about 2 min; fresh seeds on top")])
def test_a_plan_says_what_its_search_would_train(screen, confirm, end):
    spec = StudySpec(
        name="s",
        task="digits-mlp",
        budget={"epochs": 1, "batch_size": 64},
        grid={"lr": [0.1], "weight_decay": [0]},
        optimizers={"adamw": {}, "ada2ms": {}},
        search={"optimizer": "ada2ms", "space": {"mixing": [0, 1]}, "trials": 4, "confirm": confirm},
    )
    cost = Cost(workers=1, seconds=30.0, memory=10**9, disk=2000, each=15.0)
    print_plan(screen, plan(spec, set(), engine="sequential"), cost, {"extend": "later"}, 6)
    assert "trials 2, 0 of them stored" in words(screen)
    assert "time about 30 s with 1 worker " in words(screen)
    assert "extend later" in words(screen)
    assert f"4 points and the references, 6 trials, {end}" in words(screen)
