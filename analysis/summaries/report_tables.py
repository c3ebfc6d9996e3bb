"""The summary and the tables of a report, as far as the rows allow, and a line for each that is left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from analysis.summaries.summary import SUMMARY_COLUMNS, summary
from analysis.summaries.tables import MadeTables, attempt, made_tables
from analysis.workloads import by_workload


@dataclass(frozen=True)
class ReportTables:
    """What could be made of some rows.

    Attributes:
        measured: The rows of tasks with an accuracy or a metric, which alone have errors.
        summary: Output of `analysis.summary`; without a row where it could not be made.
        tables: Output of `analysis.tables`.
        left_out: Lines that say what is left out and why.
    """

    measured: pd.DataFrame
    summary: pd.DataFrame
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def report_tables(trials: pd.DataFrame) -> ReportTables:
    """Make the summary and every table, each for itself; nothing that fails stops the others.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them; accuracies may be null for all rows of a task,
            which is left out unless its rows name a metric.
    """
    trials = by_workload(trials)
    without = tasks_without_accuracy(trials)
    measured = trials[~trials["task"].isin(without)]
    lines = [accuracy_sentence(without)] if without else []
    nothing = pd.DataFrame(columns=SUMMARY_COLUMNS)
    if measured.empty:
        return ReportTables(measured, nothing, left_out=lines)
    table, why = attempt(lambda: summary(measured))
    lines += [left_out_line("summary", why)] if why else []
    made, why = attempt(lambda: made_tables(measured))
    made = made or MadeTables(left_out={"tables": why})
    lines += [left_out_line(name, reason) for name, reason in made.left_out.items()]
    return ReportTables(measured, nothing if table is None else table, made.tables, lines)


def left_out_line(name: str, why: str) -> str:
    """Return the line that says that a table or a figure is left out."""
    return f"left out: {name}: {why}"


def tasks_without_accuracy(trials: pd.DataFrame) -> list[str]:
    """Return the tasks none of whose rows has an accuracy or names a metric.

    They are those of earlier programs without accuracies, as of a regression (`correct=None`).
    """
    trials = by_workload(trials)
    known = trials.reindex(columns=["chance_accuracy", "val_accuracy", "metric"]).notna().any(axis=1)
    has = known.groupby(trials["task"]).any()
    return sorted(str(task) for task in has.index[~has])


def accuracy_sentence(tasks: list[str]) -> str:
    """Say that these tasks have neither an accuracy nor a metric."""
    names = f"task {tasks[0]} has" if len(tasks) == 1 else f"tasks {', '.join(tasks)} have"
    return f"no accuracy in these rows: tables by error are left out ({names} correct=None)"
