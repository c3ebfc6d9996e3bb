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

from studies.terminal.text import duration, engine_text, interval, number, table

if TYPE_CHECKING:
    from studies.planning.plan import Plan
    from studies.spec.search import SearchSpec
    from studies.sweep.estimate import Cost
    from studies.sweep.replay import Replay


def summary_table(summary: pd.DataFrame) -> Table:
    """Return ``analysis.summary`` as it is printed: percent, intervals of 95 %."""
    header = ["optimizer", "lr", "wd", "val %", "test %", "S", "width", "diverged", "failed", "trials"]
    if summary["task"].nunique() > 1:
        header.insert(0, "task")
    rows = []
    for row in summary.to_dict("records"):
        cells = {
            "task": row["task"],
            "optimizer": row["label"],
            "lr": f"{row['best_lr']:.3g}",
            "wd": f"{row['best_weight_decay']:.3g}",
            "val %": number(100 * row["val_accuracy"], 2),
            "test %": interval(
                row["test_accuracy"], row["test_accuracy_low"], row["test_accuracy_high"], 2, 100
            ),
            "S": interval(row["sensitivity"], row["sensitivity_low"], row["sensitivity_high"], 3),
            "width": number(row["width_own"], 2),
            "diverged": f"{100 * row['diverged']:.1f} %",
            "failed": f"{row['failed']}",
            "trials": f"{row['trials']}",
        }
        rows.append([cells[name] for name in header])
    return table(header, rows)


LEGEND = (
    "lr, wd: the validation-best cell at gradient scale 1; test %: there, over seeds; S: sensitivity, the mean "
    "normalized loss of accuracy within 1.5 decades of the best lr (0 flat, 1 all lost); width: decades of lr "
    "within 1 point of the best; ±: 95 % intervals. Ada2MS is our reimplementation from the abstract "
    "(arXiv 2605.20533)."
)


def print_report(console: Console, summary: pd.DataFrame, location: str, files: Sequence[str]) -> None:
    """Print the summary table and where the files are."""
    console.print(summary_table(summary))
    console.print(LEGEND, highlight=False)
    console.print(f"\nin {location}: {', '.join(files)}", highlight=False, soft_wrap=True, markup=False)


# name, header, decimals, factor
METRICS = (
    ("transfer_regret", "T", 3, 1.0),
    ("scale_exponent", "a", 2, 1.0),
    ("width_global", "width", 2, 1.0),
    ("tunability", "tunability %", 2, 100.0),
    ("gap", "test - train %", 2, 100.0),
)
METRICS_LEGEND = (
    "T: transfer regret, what a cell tuned at gradient scale 1 loses at the others; a: scale exponent, -d log lr* / "
    "d log c (0: AdamW, 1: SGD); width: decades of lr within 1 point of the best of all optimizers; tunability: "
    "mean test error of the best of k random cells, over k; front: no other has lower test error and lower S; "
    "±: 95 % intervals; –: not available, tables/*.csv say why."
)


def print_metrics(console: Console, tables: Mapping[str, pd.DataFrame]) -> None:
    """Print the metrics of ``analysis.tables`` that the summary does not show."""
    metrics = tables["metrics"]
    shown = [column for column in METRICS if column[0] in metrics]
    rows = []
    for row in metrics.to_dict("records"):
        values = [
            interval(
                row[name], row.get(f"{name}_low", math.nan), row.get(f"{name}_high", math.nan), digits, by
            )
            for name, _, digits, by in shown
        ]
        rows.append([row["task"], row["label"], *values, "yes" if row["on_front"] else ""])
    console.print(table(["task", "optimizer", *(header for _, header, _, _ in shown), "front"], rows))
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
    """Print a line for each failed trial."""
    console.print(f"\n{len(failed)} failed, {missing} not run", highlight=False)
    for line in failed:
        console.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)


def print_replay(console: Console, replay: Replay) -> None:
    """Print stored and new numbers beside each other, and whether they are equal."""
    rows = [
        [f"{value:.9g}" if isinstance(value, float) else str(value) for value in row[:3]]
        + ["yes" if row[4] else f"no (tolerance {row[3]:g})"]
        for row in replay.table.itertuples(index=False)
    ]
    console.print(table(("", "stored", "new", "equal"), rows))
    word = "equal" if replay.equal else "not equal"
    console.print(f"{replay.trial_id} ({replay.how}): {word}", highlight=False, soft_wrap=True)


def print_plan(console: Console, plan: Plan, cost: Cost, later: Mapping[str, str]) -> None:
    """Print what is planned, what it will take, and what is chosen ``later``."""
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
    if plan.spec.search is not None:
        rows["search"] = _search_text(plan, plan.spec.search, cost)
    console.print(table(("in all", ""), rows.items()))


def _search_text(plan: Plan, search: SearchSpec, cost: Cost) -> str:
    from studies.planning.search_trials import count_trials

    trials = count_trials(plan.spec, search, plan.task)
    time = f", about {duration(trials * cost.each)}" if cost.each else ""
    return f"robustness search: {search.wanted} points and references, {trials} trials{time}; confirmation on top"
