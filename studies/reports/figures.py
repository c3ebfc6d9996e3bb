"""Figures of one study or several, written as files into a folder."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

import pandas as pd

import analysis
from analysis.figures.gallery import FIGURES, draw_figures
from analysis.figures.theme import FORMATS
from analysis.judgement.study_verdicts import StudyVerdicts
from analysis.summaries.report_tables import accuracy_sentence, tasks_without_accuracy
from analysis.workloads import by_workload
from studies.reports.given import with_workloads
from studies.reports.suite import Suite
from studies.reports.verdict import judged
from studies.spec.errors import InputError
from studies.spec.problems import one_of
from studies.store.layout import FIGURES_FOLDER


@dataclass(frozen=True)
class Figures:
    """Figures that were written into a folder.

    Attributes:
        location: The folder.
        files: Their names in it.
        left_out: Why a figure was not drawn, by its name (``<workload>/<name>`` if there are several workloads).
    """

    location: str
    files: list[str]
    left_out: dict[str, str]


def figures(
    *locations: str | Path,
    only: Sequence[str] = (),
    formats: Sequence[str] = ("pdf", "png"),
    out: str | Path | None = None,
    allow: Sequence[str] = (),
) -> Figures:
    """Draw every figure that the rows in one or more folders allow, each folder a workload.

    Files are called as ``studies.reports.figures.FigureFiles`` says.

    Args:
        locations: The folders; no two may hold the same workload. A suite's folder stands for those of its workloads
            that have rows.
        only: Some of ``analysis.figures.gallery.FIGURES``; none means all.
        formats: Some of ``analysis.figures.theme.FORMATS``.
        out: The folder to write into; the study's own where there is one folder.
        allow: Problems that do not make the verdict invalid, beside those that the studies declare.

    Raises:
        InputError: If there is no such figure or format, or a folder is not as ``studies.report`` needs it.
    """
    for option, names, known in (("--only", only, FIGURES), ("--format", formats, FORMATS)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(f"{option}: {one_of(unknown[0], known)}, but got {unknown[0]!r}")
    given = with_workloads(locations, out)
    suite = Suite.open(given.locations, given.out)
    verdicts = judged(suite.declared_verdict(allow), suite.rows)
    without = tasks_without_accuracy(suite.rows)
    measured = suite.rows[~suite.rows["task"].isin(without)]
    drawn = figure_files(measured, verdicts, only=only, formats=formats, diagnostics=suite.diagnostics())
    for folder, reason in given.left_out.items():
        drawn.left_out[f"figure of {folder}"] = reason
    for task in without:
        drawn.left_out[f"figure of {task}"] = accuracy_sentence([task])
    for name, content in drawn.contents.items():
        suite.target.write_file(name, content)
    return Figures(suite.target.location, list(drawn.contents), drawn.left_out)


@dataclass(frozen=True)
class FigureFiles:
    """Figures as files that are still to be written.

    Attributes:
        contents: The content of each file by its name: ``figures/<name>.<format>``, or
            ``figures/<workload>/<name>.<format>`` where there are several workloads and the figure is of one.
        left_out: Why a figure was not drawn, by its name (``<workload>/<name>`` if there are several workloads).
    """

    contents: dict[str, bytes] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def figure_files(
    rows: pd.DataFrame,
    verdicts: StudyVerdicts,
    *,
    only: Iterable[str] = (),
    formats: Sequence[str] = ("pdf", "png"),
    tables: Mapping[str, pd.DataFrame] | None = None,
    diagnostics: pd.DataFrame | None = None,
) -> FigureFiles:
    """Draw every figure that the rows allow.

    Args:
        rows: Those of one study or several.
        verdicts: The verdicts that the studies declare.
        only: Some of ``analysis.figures.gallery.FIGURES``; none means all.
        formats: Some of ``analysis.figures.theme.FORMATS``.
        tables: Output of ``analysis.tables``, if it has been computed.
        diagnostics: Second moments, if any were stored.
    """
    wanted = frozenset(only) or None
    rows = by_workload(rows)
    folders = _folders(sorted(rows["task"].unique()))
    files = FigureFiles()
    with tempfile.TemporaryDirectory() as folder, analysis.use_theme():
        for drawn in draw_figures(rows, verdicts, only=wanted, tables=tables, diagnostics=diagnostics):
            task = "" if drawn.task is None or len(folders) < 2 else f"{folders[drawn.task]}/"
            if drawn.figure is None:
                files.left_out[task + drawn.name] = drawn.reason
                continue
            for path in analysis.save_figure(drawn.figure, Path(folder, drawn.name), formats):
                files.contents[f"{FIGURES_FOLDER}/{task}{path.name}"] = path.read_bytes()
    return files


def _folders(workloads: Iterable[str]) -> dict[str, str]:
    """Return the folder of each workload: its name as far as it may be a folder's, with a number where two agree."""
    folders: dict[str, str] = {}
    for workload in workloads:
        name = re.sub(r"[^\w.-]+", "-", workload).strip("-.") or "workload"
        others = {folder.lower() for folder in folders.values()}
        numbered = (f"{name}-{number}" for number in count(2))
        folders[workload] = next(one for one in chain([name], numbered) if one.lower() not in others)
    return folders
