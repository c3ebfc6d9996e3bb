"""What a study or a suite would train, as the command prints it."""

from __future__ import annotations

from collections.abc import Iterable

from rich import filesize
from rich.console import Console

from studies.sweep.estimate import Cost, Forecast, SuiteForecast
from studies.terminal.study import print_plan
from studies.terminal.text import say, table, time_text


def print_forecast(console: Console, forecast: Forecast | SuiteForecast) -> None:
    """Print what a study would train, and what that would take; of a suite, for each workload and for all of them."""
    for note in forecast.notes:
        say(console, note)
    if isinstance(forecast, Forecast):
        print_plan(console, forecast.plan, forecast.cost, forecast.later, forecast.searched)
        return
    for one in forecast.workloads.values():
        print_forecast(console, one)
    _print_all(console, forecast.name, forecast.workloads.values(), forecast.cost)


def _print_all(console: Console, name: str, workloads: Iterable[Forecast], cost: Cost) -> None:
    plans = [workload.plan for workload in workloads]
    trials, pending = sum(len(plan.trials) for plan in plans), sum(plan.pending for plan in plans)
    rows = {
        "workloads": ", ".join(str(plan.spec.workload) for plan in plans),
        "trials": f"{trials}, {trials - pending} of them stored",
        "packs": f"{sum(len(plan.packs) for plan in plans)} to run",
        "time": time_text(cost.seconds),
        "memory": f"about {filesize.decimal(cost.memory)}",
        "disk": f"about {filesize.decimal(cost.disk)}",
    }
    console.print(table((f"all workloads of {name}", ""), rows.items()))
