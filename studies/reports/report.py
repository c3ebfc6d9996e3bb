"""The report of one study or several: summary, tables, figures and page, written into a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

import analysis
from analysis.judgement.study_verdicts import StudyVerdicts
from analysis.page.figures import EXPLORED, page_figures
from analysis.summaries.columns import LAYOUTS
from analysis.summaries.latex import latex_table
from analysis.summaries.report_tables import report_tables, tasks_without_accuracy
from studies.planning.changes import mixed_code
from studies.reports.figures import figure_files
from studies.reports.given import with_workloads
from studies.reports.page import html_report
from studies.reports.suite import Suite
from studies.reports.verdict import judged
from studies.store.layout import REPORT_PAGE, SUMMARY_TABLE, TABLES_FOLDER
from studies.store.store import Store


@dataclass(frozen=True)
class Report:
    """What a report says and where it was written.

    Attributes:
        summary: ``analysis.summary`` of the rows.
        tables: ``analysis.tables`` of the rows.
        location: The folder that it was written into.
        files: The names of the files in it.
        verdict: A text for each candidate that the studies declare, or one that says why there is no verdict.
        notes: What a reader should know of the rows, a line each.
        left_out: Lines that say what is left out, and why.
    """

    summary: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    location: str
    files: list[str]
    verdict: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def write_report(rows: pd.DataFrame, diagnostics: pd.DataFrame, store: Store) -> Report:
    """Write the summary, tables and figures of ``rows`` and of second moments (``diagnostics``) into ``store``.

    What cannot be made is left out with a line.
    """
    made = report_tables(rows)
    contents = {SUMMARY_TABLE: made.summary.to_csv(index=False).encode(), **table_files(made.tables)}
    drawn = figure_files(
        made.measured,
        StudyVerdicts(),
        only=[*EXPLORED, "distortion"],
        tables=made.tables,
        diagnostics=diagnostics,
    )
    contents |= drawn.contents
    for name, content in sorted(contents.items()):
        store.write_file(name, content)
    return Report(made.summary, made.tables, store.location, sorted(contents), left_out=made.left_out)


def report(
    *locations: str | Path,
    out: str | Path | None = None,
    allow: Sequence[str] = (),
    columns: str | Path | None = None,
) -> Report:
    """Write the report of the studies in one or more folders, each of them a workload.

    ``report.html`` shows all of it. Rows that another tool has written may be workloads too, as files.

    Args:
        locations: The folders, and files of rows (.csv, .parquet); no two may hold the same workload: one task with
            the same options, data, schedule, budget and training. A suite's folder stands for those of its
            workloads that have rows.
        out: The folder to write into; the study's own where there is one folder.
        allow: Problems that do not make the verdict invalid, beside those that the studies declare.
        columns: A YAML file that says what the columns of the files are called: ``columns``, ``constants`` and
            ``percent`` of ``analysis.from_runs``.

    Raises:
        StoreError: If a folder holds no study, or no row yet, if two hold one workload, or if several are
            given without ``out``.
        SpecError: If the study file in a folder is not valid.
        InputError: If a file does not hold the rows that are needed.
    """
    # curves before rows: what memory reading them takes is free again when the rows are read
    given = with_workloads(locations, out)
    suite = Suite.open(given.locations, given.out, columns)
    curves, rows, diagnostics = suite.curves(), suite.rows, suite.diagnostics()
    written = write_report(rows, diagnostics, suite.target)
    verdicts = judged(suite.declared_verdict(allow), rows)
    texts = [verdict.summary() for verdict in verdicts.by_candidate.values()]
    if not texts and any(study.spec.verdict for study in suite.studies):
        texts = [verdicts.reason_sentence()]
    measured = rows[~rows["task"].isin(tasks_without_accuracy(rows))]
    with analysis.use_theme():
        figures = page_figures(measured, verdicts, written.tables, diagnostics)
    tables = {"summary": written.summary, **written.tables}
    page = html_report(
        suite, rows, curves, tables=tables, verdict=texts, figures=figures, left_out=written.left_out
    )
    suite.target.write_file(REPORT_PAGE, page.encode())
    notes = [f"{folder}: {reason}" for folder, reason in given.left_out.items()]
    notes += [note for rows in suite.named[: len(suite.studies)] if (note := mixed_code(rows))]
    return replace(written, verdict=texts, notes=notes, files=[*written.files, REPORT_PAGE])


def table_files(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """Return the files of the tables: their content by their names in a study's folder, as CSV and as LaTeX.

    Args:
        tables: Output of ``analysis.tables``.
    """
    files = {
        f"{TABLES_FOLDER}/{name}.csv": table.to_csv(index=False).encode() for name, table in tables.items()
    }
    for name in LAYOUTS.keys() & tables.keys():
        files[f"{TABLES_FOLDER}/{name}.tex"] = latex_table(tables[name], LAYOUTS[name]).encode()
    return files
