"""A study as the command prints it."""

import io

import pandas as pd
import pytest
from rich.console import Console

from studies.planning.plan import plan
from studies.spec.study import StudySpec
from studies.sweep.estimate import Cost
from studies.terminal.study import print_failures, print_figures, print_metrics, print_plan, summary_table


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
