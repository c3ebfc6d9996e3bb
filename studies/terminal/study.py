"""A study as the command prints it: its plan, its report, its failures, a trial replayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich import filesize
from rich.console import Console
from rich.table import Table

from analysis.summaries.columns import columns_of, measure_of, numbers_of
from analysis.task_metric import ERROR, by_error, task_metrics, value_column
from studies.store.study_folder import StoredStudy, status_of
from studies.terminal.text import duration, engine_text, near_text, say, table, time_text, with_half

if TYPE_CHECKING:
    from studies.planning.plan import Plan
    from studies.sweep.estimate import Cost
    from studies.sweep.replay import Replay


SUMMARY_SHOWN = (
    "task", "label", "best_lr", "best_weight_decay", "val_accuracy", "test_accuracy", "sensitivity", "width_own",
    "diverged", "failed", "trials",
)  # fmt: skip


def summary_table(summary: pd.DataFrame) -> Table:
    """Return ``analysis.summary`` as it is printed: percent or the metric's unit, intervals of 95 %."""
    names = columns_of(summary, SUMMARY_SHOWN if summary["task"].nunique() > 1 else SUMMARY_SHOWN[1:])
    return _table(summary, {name: _summarized(summary, name) for name in names})


def _table(shown: pd.DataFrame, cells: Mapping[str, Sequence[Any]]) -> Table:
    header = [measure_of(shown, name).short for name in cells]
    return table(header, list(zip(*cells.values(), strict=True)))


def _summarized(summary: pd.DataFrame, name: str) -> list[str]:
    values = summary[name].tolist()
    if name in ("best_lr", "best_weight_decay"):
        return [f"{value:.3g}" for value in values]
    if name == "diverged":
        return [f"{100 * value:.1f} %" for value in values]
    if all(isinstance(value, int | str) for value in values):
        return [f"{value}" for value in values]
    return _measured(summary, name)


def _measured(shown: pd.DataFrame, name: str) -> list[str]:
    """Return numbers with half the width of their intervals, where they have one, in the unit that is shown."""
    numbers = numbers_of(shown, name)
    columns = zip(numbers.values, numbers.half, numbers.digits, strict=True)
    return [with_half(value, half, digits) for value, half, digits in columns]


LEGEND = (
    "lr, wd: the validation-best cell at gradient scale 1; {tested}: there, over seeds; S: sensitivity, the mean "
    "{lost} within 1.5 decades of the best lr (0 flat, 1 all lost); width: decades of lr "
    "within {near} of the best; ±: 95 % intervals. Ada2MS is our reimplementation from the abstract "
    "(arXiv 2605.20533)."
)


def summary_legend(summary: pd.DataFrame) -> str:
    """Say what the columns of ``summary_table`` are, and in which unit."""
    metrics = task_metrics(summary)
    shown = measure_of(summary, value_column("test", metrics))
    tested = shown.short + (f", in {shown.unit}" if shown.unit not in ("", "%") else "")
    if by_error(metrics):
        return LEGEND.format(
            tested="test %", lost="normalized loss of accuracy", near=near_text(metrics.values())
        )
    lost = "share that is lost of what can be learned"
    return LEGEND.format(tested=tested, lost=lost, near=near_text(metrics.values()))


def print_report(
    console: Console, summary: pd.DataFrame, location: str, files: Sequence[str], left_out: Sequence[str] = ()
) -> None:
    """Print the summary table, what is left out, and where the files are."""
    if len(summary):
        console.print(summary_table(summary))
        console.print(summary_legend(summary), highlight=False, markup=False)
    for line in left_out:
        say(console, line)
    console.print(f"\nin {location}: {', '.join(files)}", highlight=False, soft_wrap=True, markup=False)


METRICS_SHOWN = ("transfer_regret", "scale_exponent", "width_global", "tunability", "gap")
METRICS_LEGEND = (
    "T: transfer regret, what a cell tuned at gradient scale 1 loses at the others; a: scale exponent, -d log lr* / "
    "d log c (0: AdamW, 1: SGD); width: decades of lr within {near} of the best of all optimizers; tunability: "
    "mean test {value} of the best of k random cells, over k; front: no other has {better} test {value} and lower S; "
    "±: 95 % intervals; –: not available, tables/*.csv say why."
)


def print_metrics(console: Console, tables: Mapping[str, pd.DataFrame]) -> None:
    """Print the measures of ``analysis.tables`` that the summary does not show."""
    if "metrics" not in tables:
        return
    shown = tables["metrics"]
    cells = {name: _measured(shown, name) for name in METRICS_SHOWN if name in shown}
    names: dict[str, Sequence[str]] = {name: shown[name].tolist() for name in ("task", "label")}
    fronts = ["yes" if one else "" for one in shown["on_front"]]
    console.print(_table(shown, {**names, **cells, "on_front": fronts}))
    metrics = task_metrics(shown)
    kinds = {str(metric) if metric != ERROR else metric.name for metric in metrics.values()}
    value = kinds.pop() if len(kinds) == 1 else "value"
    better = "lower" if by_error(metrics) else "a better"
    legend = METRICS_LEGEND.format(near=near_text(metrics.values()), value=value, better=better)
    console.print(legend, highlight=False, markup=False)


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


def print_status(console: Console, studies: Sequence[StoredStudy]) -> None:
    """Print how far a study is, or each workload of a suite, and whether rows of several codes are averaged."""
    counts = status_of(studies)
    console.print(table(list(counts.columns), counts.itertuples(index=False)))
    for note in filter(None, (study.mixed_code() for study in studies)):
        say(console, note)


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
    console.print(table((f"optimizers of {plan.spec.title}", "trials"), labels.items()))
    workers = f"{cost.workers} worker{'s' * (cost.workers != 1)}" if cost.workers else "this process"
    rows = {
        "task": plan.task.name,
        **({"data": plan.task.data} if plan.task.data else {}),
        "trials": f"{len(plan.trials)}, {len(plan.trials) - plan.pending} of them stored",
        "packs": f"{len(plan.packs)} to run",
        "engine": engine_text(plan.engine),
        "time": time_text(cost.seconds) + ("" if cost.seconds is None else f" with {workers}"),
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
    console.print(
        table((f"all of {plan.spec.workload}" if plan.spec.workload else "in all", ""), rows.items())
    )
