"""Tables and figures of one study or several, written into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

import analysis
from analysis.page_figures import EXPLORED, page_figures
from studies.asked import Asked, read_asked
from studies.drawing import figure_files
from studies.errors import StoreError
from studies.htmlreport import FILE, html_report, read_curves
from studies.results import Store
from studies.tablefiles import table_files
from studies.verdicts import VerdictSpec, judged


@dataclass(frozen=True)
class Report:
    """What a report says and where it was written.

    Attributes:
        summary: ``analysis.summary`` of the rows.
        tables: ``analysis.tables`` of the rows.
        location: The folder that it was written into.
        files: The names of the files in it.
        verdict: What is to be said of the verdicts that the studies declare, a text each.
    """

    summary: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    location: str
    files: list[str]
    verdict: list[str] = field(default_factory=list)


def write_report(rows: pd.DataFrame, diagnostics: pd.DataFrame, store: Store) -> Report:
    """Write ``summary.csv``, the tables and the figures of rows and second moments into a folder."""
    summary, tables = analysis.summary(rows), analysis.tables(rows)
    contents = {"summary.csv": summary.to_csv(index=False).encode(), **table_files(tables)}
    drawn = figure_files(rows, "", only=[*EXPLORED, "distortion"], tables=tables, diagnostics=diagnostics)
    contents |= drawn.contents
    for name, content in sorted(contents.items()):
        store.write_file(name, content)
    return Report(summary, tables, store.location, sorted(contents))


def report(*locations: str | Path, out: str | Path | None = None) -> Report:
    """Write the report of the studies in one or more folders, each of them a workload; ``report.html`` shows it all.

    Args:
        locations: The folders; no two may hold the same task.
        out: The folder to write into; the study's own where there is one folder.

    Raises:
        StoreError: If a folder holds no study, or no row yet, if two hold one task, or if several are given
            without ``out``.
        SpecError: If the study file in a folder is not valid.
    """
    # curves before rows: the memory that reading them takes is free again when the rows come
    curves = read_curves(locations)
    studies, rows = read_studies(locations, out)
    store, held = Store(out or locations[0]), list(zip(map(Store, locations), studies, strict=True))
    diagnostics = read_diagnostics(locations)
    made = write_report(rows, diagnostics, store)
    verdicts = judged(declared_verdict(studies), rows)
    texts: list[str] = []
    if not isinstance(verdicts, str):
        texts = [verdict.summary() for verdict in verdicts.values()]
    elif any(study.spec.verdict for study in studies):
        texts = [f"{verdicts[0].upper()}{verdicts[1:]}."]
    with analysis.use_theme():
        figures = page_figures(rows, verdicts, made.tables, diagnostics)
    tables = {"summary": made.summary, **made.tables}
    page = html_report(held, rows, curves, tables=tables, verdict=texts, figures=figures)
    store.write_file(FILE, page.encode())
    return replace(made, verdict=texts, files=[*made.files, FILE])


def read_studies(locations: Sequence[str | Path], out: str | Path | None) -> tuple[list[Asked], pd.DataFrame]:
    """Read the studies in one or more folders, each of them a workload, to be written about into ``out``.

    Returns:
        The studies, and the rows of all.

    Raises:
        StoreError: As ``report`` says.
        SpecError: As ``report`` says.
    """
    if len(locations) > 1 and out is None:
        raise StoreError(f"--out: {len(locations)} folders together need a folder to be written into")
    studies = {str(location): finished(location) for location in locations}
    holders: dict[str, str] = {}
    for location, asked in studies.items():
        for task in asked.rows["task"].unique():
            if task in holders:
                raise StoreError(
                    f"{location}: holds the task '{task}', and so does {holders[task]}; each of several studies "
                    "must have a task of its own"
                )
            holders[task] = location
    return list(studies.values()), pd.concat([asked.rows for asked in studies.values()], ignore_index=True)


def read_diagnostics(locations: Sequence[str | Path]) -> pd.DataFrame:
    """Return the second moments that were looked at in the studies of some folders."""
    return pd.concat([Store(location).diagnostics() for location in locations], ignore_index=True)


def declared_verdict(studies: Sequence[Asked]) -> VerdictSpec | str:
    """Return the verdict that all studies declare, or why there is none to be spoken."""
    declared = [asked.spec.verdict for asked in studies]
    if any(one != declared[0] for one in declared):
        return "the studies declare different ones"
    return declared[0] or "the study declares none"


def finished(location: str | Path) -> Asked:
    """Return the study in a folder and the rows that its study file asks for, at least one."""
    asked = read_asked(location)
    if asked.rows.empty:
        raise StoreError(f"{location}: holds no finished trial yet")
    return asked
