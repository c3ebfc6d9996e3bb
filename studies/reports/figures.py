"""Figures of one study or several, written as files into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.gallery import FIGURES
from analysis.theme import FORMATS
from studies.drawing import figure_files
from studies.errors import InputError
from studies.problems import one_of
from studies.report import declared_verdict, read_diagnostics, read_studies
from studies.results import Store
from studies.verdicts import judged


@dataclass(frozen=True)
class Figures:
    """What was drawn, and what was not.

    Attributes:
        location: The folder that the files were written into.
        files: Their names in it.
        left_out: Why a figure is not there, by its name (with its task before it where there are several).
    """

    location: str
    files: list[str]
    left_out: dict[str, str]


def figures(
    *locations: str | Path,
    only: Sequence[str] = (),
    formats: Sequence[str] = ("pdf", "png"),
    out: str | Path | None = None,
) -> Figures:
    """Draw every figure that the rows in one or more folders allow, each folder a workload.

    Files are called as ``studies.drawing.FigureFiles`` says.

    Args:
        locations: The folders; no two may hold the same task.
        only: Some of ``analysis.gallery.FIGURES``; none means all.
        formats: Some of ``analysis.theme.FORMATS``.
        out: The folder to write into; the study's own where there is one folder.

    Raises:
        InputError: If there is no such figure or format, or a folder is not as ``studies.report.report`` wants it.
    """
    for option, names, known in (("--only", only, FIGURES), ("--format", formats, FORMATS)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(f"{option}: {one_of(unknown[0], known)}, but got {unknown[0]!r}")
    studies, rows = read_studies(locations, out)
    store = Store(out or locations[0])
    verdicts = judged(declared_verdict(studies), rows)
    diagnostics = read_diagnostics(locations)
    drawn = figure_files(rows, verdicts, only=only, formats=formats, diagnostics=diagnostics)
    for name, content in drawn.contents.items():
        store.write_file(name, content)
    return Figures(store.location, list(drawn.contents), drawn.left_out)
