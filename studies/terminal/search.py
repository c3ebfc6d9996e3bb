"""A search as the command prints it: what it will train, then its front and references."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis.measures import decimals, measure
from analysis.task_metric import ERROR, TaskMetric, value_column
from studies.searches.loop import SearchPlan
from studies.searches.result import SearchResult
from studies.terminal.progress import ProgressLine
from studies.terminal.study import print_failures
from studies.terminal.text import interval, near_text, number, say, table

LEGEND = (
    "Pareto front and references on the same surface; best lr: the validation-best cell at gradient scale 1, where "
    "{values} are taken; S, T: sensitivity and transfer regret (0 flat, 1 all lost); width: decades of lr within "
    "{near} of the best; ±: 95 % intervals over seeds. Ada2MS is our reimplementation from the abstract "
    "(arXiv 2605.20533)."
)
CONFIRMED = (
    "The same with fresh seeds, {values} at the cells that were selected before: free of selection bias."
)


def announce(console: Console, plan: SearchPlan, engine: str, location: str) -> None:
    """Print what is going to be trained, with which engine, and where its rows go."""
    references = sum(map(len, plan.references().values()))
    say(
        console,
        f"{plan.spec.title}: {plan.wanted} points of {plan.point_size} trials of {plan.task.name}, and "
        f"{references} of the references; rows go to {location}",
    )
    say(console, f"engine: {engine}")


def progress_line(console: Console, plan: SearchPlan, stored: set[str]) -> ProgressLine:
    """Return the line of progress; it counts trials, those of the references that are ``stored`` as done."""
    references = [trial for trials in plan.references().values() for trial in trials]
    done = sum(trial.trial_id in stored for trial in references)
    return ProgressLine(console, len(references) + plan.wanted * plan.point_size, done)


def print_searches(console: Console, found: SearchResult | Mapping[str, SearchResult]) -> bool:
    """Print what a search found, or those of a suite's workloads; return whether trials failed."""
    if isinstance(found, SearchResult):
        print_search(console, found)
        if found.failed:
            print_failures(console, found.failed, 0)
        return bool(found.failed)
    failed = []
    for name, result in found.items():
        say(console, f"\n{name}:")
        failed.append(print_searches(console, result))
    return any(failed)


def print_search(console: Console, result: SearchResult) -> None:
    """Print the front beside the references, both again with fresh seeds, and where the files are."""
    console.print(scores_table(result, pd.concat([result.front, result.references], ignore_index=True)))
    if result.front.empty:
        console.print("no point is on the front: none could be scored, or too many trials diverged in each")
    words = {"values": values_text(result.metric), "near": near_text([result.metric])}
    console.print(LEGEND.format(**words), highlight=False, markup=False)
    if len(result.confirmed):
        console.print(f"\n{CONFIRMED.format(**words)}", highlight=False, markup=False)
        console.print(scores_table(result, result.confirmed))
    if len(result.importance):
        wide = result.importance.pivot_table(
            index="hyperparameter", columns="objective", values="importance", sort=False
        )
        rows = [(name, *(number(share, 2) for share in row)) for name, *row in wide.itertuples()]
        console.print(
            "\nImportance (fANOVA: shares of each score's variance over the points that were tried)"
        )
        console.print(table(("hyperparameter", *wide.columns), rows))
    scored = int((~result.points["stored_before"]).sum())
    console.print(
        f"\n{scored} points, {len(result.front)} on the front, hypervolume {result.hypervolume:.3f}; "
        f"in {result.location}: {', '.join(result.files)}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def values_text(metric: TaskMetric) -> str:
    """Return what the values of a metric are called: 'errors', or 'values of loss (nats)'."""
    return "errors" if metric == ERROR else f"values of {metric}"


def scores_table(result: SearchResult, scores: pd.DataFrame) -> Table:
    """Return one line per surface: its scores with intervals, its best learning rate, what diverged."""
    names = list(dict.fromkeys((*result.search.objectives, value_column("test", {"": result.metric}))))
    cells = zip(*(_texts(scores, name, result.metric) for name in names), strict=True)
    rows = [
        [row["label"], *own, f"{row['best_lr']:.3g}", f"{100 * row['diverged']:.1f} %"]
        for row, own in zip(scores.to_dict("records"), cells, strict=True)
    ]
    header = ["optimizer", *(measure(name, result.metric).short for name in names), "best lr", "diverged"]
    return table(header, rows)


def _texts(scores: pd.DataFrame, name: str, metric: TaskMetric) -> list[str]:
    """Return the numbers of a score with half the width of their intervals."""
    shown = measure(name, metric)
    digits = decimals(shown.factor * scores[name], shown.digits)
    columns = (scores[f"{name}{end}"].astype(float) for end in ("", "_low", "_high"))
    return [
        interval(middle, low, high, digits, shown.factor) for middle, low, high in zip(*columns, strict=True)
    ]
