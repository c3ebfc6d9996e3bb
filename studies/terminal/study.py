"""A study as the command prints it: its plan, its report, its failures, a trial replayed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import filesize
from rich.console import Console
from rich.table import Table

from analysis.measures import MEASURES, SIGNIFICANT
from studies.terminal.text import duration, engine_text, interval, say, table

if TYPE_CHECKING:
    from studies.planning.plan import Plan
    from studies.sweep.estimate import Cost
    from studies.sweep.replay import Replay


SUMMARY_SHOWN = (
    "task", "label", "best_lr", "best_weight_decay", "val_accuracy", "test_accuracy", "sensitivity", "width_own",
    "diverged", "failed", "trials",
)  # fmt: skip


def summary_table(summary: pd.DataFrame) -> Table:
    """Return ``analysis.summary`` as it is printed: percent, intervals of 95 %."""
    names = SUMMARY_SHOWN if summary["task"].nunique() > 1 else SUMMARY_SHOWN[1:]
    rows = [[_summarized(row, name) for name in names] for row in summary.to_dict("records")]
    return table([MEASURES[name].short for name in names], rows)


def _summarized(row: Mapping[Any, Any], name: str) -> str:
    measure = MEASURES[name]
    if measure.digits == SIGNIFICANT:
        return f"{row[name]:.3g}"
    if name == "diverged":
        return f"{measure.factor * row[name]:.{measure.digits}f} {measure.unit}"
    return f"{row[name]}" if isinstance(row[name], int | str) else _measured(row, name)


def _measured(row: Mapping[Any, Any], name: str) -> str:
    """Return a number with half the width of its interval, where it has one, in the unit that is shown."""
    low, high = (row.get(f"{name}_{end}", math.nan) for end in ("low", "high"))
    return interval(row[name], low, high, MEASURES[name].digits, MEASURES[name].factor)


LEGEND = (
    "lr, wd: the validation-best cell at gradient scale 1; test %: there, over seeds; S: sensitivity, the mean "
    "normalized loss of accuracy within 1.5 decades of the best lr (0 flat, 1 all lost); width: decades of lr "
    "within 1 point of the best; ±: 95 % intervals. Ada2MS is our reimplementation from the abstract "
    "(arXiv 2605.20533)."
)


def print_report(
    console: Console, summary: pd.DataFrame, location: str, files: Sequence[str], left_out: Sequence[str] = ()
) -> None:
    """Print the summary table, what is left out, and where the files are."""
    if len(summary):
        console.print(summary_table(summary))
        console.print(LEGEND, highlight=False)
    for line in left_out:
        say(console, line)
    console.print(f"\nin {location}: {', '.join(files)}", highlight=False, soft_wrap=True, markup=False)


METRICS_SHOWN = ("transfer_regret", "scale_exponent", "width_global", "tunability", "gap")
METRICS_LEGEND = (
    "T: transfer regret, what a cell tuned at gradient scale 1 loses at the others; a: scale exponent, -d log lr* / "
    "d log c (0: AdamW, 1: SGD); width: decades of lr within 1 point of the best of all optimizers; tunability: "
    "mean test error of the best of k random cells, over k; front: no other has lower test error and lower S; "
    "±: 95 % intervals; –: not available, tables/*.csv say why."
)


def print_metrics(console: Console, tables: Mapping[str, pd.DataFrame]) -> None:
    """Print the measures of ``analysis.tables`` that the summary does not show."""
    if "metrics" not in tables:
        return
    metrics = tables["metrics"]
    shown = [name for name in METRICS_SHOWN if name in metrics]
    rows = [
        [
            row["task"],
            row["label"],
            *(_measured(row, name) for name in shown),
            "yes" if row["on_front"] else "",
        ]
        for row in metrics.to_dict("records")
    ]
    header = [MEASURES[name].short for name in ("task", "label", *shown, "on_front")]
    console.print(table(header, rows))
    console.print(METRICS_LEGEND, highlight=False)


def print_verdict(console: Console, texts: Sequence[str]) -> None:
    """Print the verdict on each candidate."""
    for text in texts:
        console.print(f"\n{text}", highlight=False, soft_wrap=True, markup=False)


def print_figures(console: Console, location: str, files: Sequence[str], left_out: Mapping[str, str]) -> None:
    """Print which figures were drawn, and why the others were not."""
    look: dict[str, Any] = {"highlight": False, "soft_wrap": True, "markup": False}
    if files:
        console.print(f"in {location}: {', '.join(files)}", **look)
    for name, reason in left_out.items():
        console.print(f"no {name}: {reason}", **look)


def print_failures(console: Console, failed: Sequence[str], missing: int) -> None:
    """Print how many trials failed and how many were not run, and a line for each failure."""
    console.print(f"\n{len(failed)} failed, {missing} not run", highlight=False)
    for line in failed:
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def print_replay(console: Console, replay: Replay) -> None:
    """Print the stored and the new numbers side by side, and whether they are equal."""
    rows = [
        [f"{value:.9g}" if isinstance(value, float) else str(value) for value in row[:3]]
        + ["yes" if row[4] else f"no (tolerance {row[3]:g})"]
        for row in replay.table.itertuples(index=False)
    ]
    console.print(table(("", "stored", "new", "equal"), rows))
    word = "equal" if replay.equal else "not equal"
    console.print(f"{replay.trial_id} ({replay.how}): {word}", highlight=False, soft_wrap=True)


def print_plan(
    console: Console, plan: Plan, cost: Cost, later: Mapping[str, str], searched: int | None
) -> None:
    """Print what is planned, what that would take, what is chosen ``later``, and what a search would train.

    Args:
        console: Where to print.
        plan: What is planned.
        cost: What that would take.
        later: What is chosen after the grid, by the key of the study file that asks for it.
        searched: How many trials the study's search would train, if it has one.
    """
    labels = Counter(trial.label for trial in plan.trials)
    console.print(table((f"optimizers of {plan.spec.name}", "trials"), labels.items()))
    workers = f"{cost.workers} worker{'s' * (cost.workers != 1)}" if cost.workers else "this process"
    rows = {
        "task": plan.task.name,
        **({"data": plan.task.data} if plan.task.data else {}),
        "trials": f"{len(plan.trials)}, {len(plan.trials) - plan.pending} of them stored",
        "packs": f"{len(plan.packs)} to run",
        "engine": engine_text(plan.engine),
        "time": f"about {duration(cost.seconds)} with {workers}",
        "memory": f"about {filesize.decimal(cost.memory)}",
        "disk": f"about {filesize.decimal(cost.disk)}",
        **later,
    }
    if plan.spec.search is not None and searched is not None:
        time = f", about {duration(searched * cost.each)}" if cost.each else ""
        fresh = "; fresh seeds on top" if plan.spec.search.confirm else ""
        rows["search"] = (
            f"robustness search: {plan.spec.search.wanted} points and the references, "
            f"{searched} trials{time}{fresh}"
        )
    console.print(table(("in all", ""), rows.items()))
