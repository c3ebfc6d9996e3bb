"""A search as the command prints it: what it will train, then its front and references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from analysis.measures import MEASURES
from studies.searches.loop import SearchPlan
from studies.searches.result import SearchResult
from studies.terminal.progress import ProgressLine
from studies.terminal.text import interval, number, say, table

LEGEND = (
    "Pareto front and references on the same surface; best lr: the validation-best cell at gradient scale 1, where "
    "errors are taken; S, T: sensitivity and transfer regret (0 flat, 1 all lost); width: decades of lr within 1 "
    "point of the best; ±: 95 % intervals over seeds. Ada2MS is our reimplementation from the abstract "
    "(arXiv 2605.20533)."
)
CONFIRMED = (
    "The same with fresh seeds, errors at the cells that were selected before: free of selection bias."
)


def announce(console: Console, plan: SearchPlan, engine: str, location: str) -> None:
    """Print what is going to be trained, with which engine, and where its rows go."""
    references = sum(map(len, plan.references().values()))
    say(
        console,
        f"{plan.spec.name}: {plan.wanted} points of {plan.point_size} trials of {plan.task.name}, and "
        f"{references} of the references; rows go to {location}",
    )
    say(console, f"engine: {engine}")


def progress_line(console: Console, plan: SearchPlan, stored: set[str]) -> ProgressLine:
    """Return the line of progress; it counts trials, those of the references that are ``stored`` as done."""
    references = [trial for trials in plan.references().values() for trial in trials]
    done = sum(trial.trial_id in stored for trial in references)
    return ProgressLine(console, len(references) + plan.wanted * plan.point_size, done)


def print_search(console: Console, result: SearchResult) -> None:
    """Print the front beside the references, both again with fresh seeds, and where the files are."""
    console.print(scores_table(result, pd.concat([result.front, result.references], ignore_index=True)))
    if result.front.empty:
        console.print("no point is on the front: none could be scored, or too many trials diverged in each")
    console.print(LEGEND, highlight=False)
    if len(result.confirmed):
        console.print(f"\n{CONFIRMED}", highlight=False)
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


def scores_table(result: SearchResult, scores: pd.DataFrame) -> Table:
    """Return one line per surface: its scores with intervals, its best learning rate, what diverged."""
    names = list(dict.fromkeys((*result.search.objectives, "test_error")))
    header = ["optimizer", *(MEASURES[name].short for name in names), "best lr", "diverged"]
    return table(header, [_line(row, names) for row in scores.to_dict("records")])


def _line(row: Mapping[Any, Any], names: list[str]) -> list[str]:
    cells = [row["label"]]
    for name in names:
        measure = MEASURES[name]
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        cells.append(interval(row[name], low, high, measure.digits, measure.factor))
    return [*cells, f"{row['best_lr']:.3g}", f"{100 * row['diverged']:.1f} %"]
