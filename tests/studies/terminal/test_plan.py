"""What a suite would train, as the command prints it."""

import io

import pytest
from rich.console import Console

from studies.planning.plan import plan
from studies.spec.suites.suite import SuiteSpec
from studies.sweep.estimate import Cost, Forecast, SuiteForecast, together
from studies.terminal.plan import print_forecast

SUITE = SuiteSpec(
    name="pilot",
    budget={"epochs": 1, "batch_size": 64},
    grid={"lr": [0.1, 1.0], "weight_decay": [0]},
    optimizers={"adamw": {}},
    workloads=[{"name": "a", "task": "digits-mlp"}, {"name": "b", "task": "digits-logistic", "seeds": 2}],
)


@pytest.mark.parametrize(
    ("own", "time"),
    [
        # 30 s and 12 s, each with 8 s in which Ray starts, which it does once
        (12.0, "time about 34 s"),
        (None, "time not known: the steps of a training function cannot be timed"),
    ],
)
def test_a_suite_is_planned_by_workload_and_as_a_whole(own, time):
    costs = [Cost(2, 30.0, 10**9, 2000, 15.0, 8.0), Cost(2, own, 3 * 10**9, 1000, own, 8.0)]
    plans = [plan(study, set(), engine="sequential") for study in SUITE.studies]
    workloads = [Forecast(work, cost, {}, None) for work, cost in zip(plans, costs, strict=True)]
    screen = Console(file=io.StringIO(), width=120)
    notes = ["gone is hidden"]
    print_forecast(
        screen, SuiteForecast("pilot", dict(zip("ab", workloads, strict=True)), together(costs), notes)
    )
    text = " ".join(screen.file.getvalue().split())
    assert text.startswith("gone is hidden optimizers of pilot/a trials")
    assert text.count(time) == 1 + (own is None)  # where it is known, the second workload's own is another
    whole = text[text.index("all workloads of pilot") :]
    assert "workloads a, b trials 6, 0 of them stored packs 6 to run" in whole
    assert f"{time} memory about 3.0 GB disk about 3.0 kB" in whole
