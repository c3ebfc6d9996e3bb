"""Figures as files: drawn, saved in some formats, named by what they show and, where there are several, the task."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

import analysis
from analysis.gallery import draw_figures
from analysis.verdict import Verdict

FOLDER = "figures"


@dataclass(frozen=True)
class FigureFiles:
    """What was drawn, and what was not.

    Attributes:
        contents: By name, ``figures/<name>.<format>``, and ``figures/<task>/<name>.<format>`` where there are
            several tasks and the figure is about one of them.
        left_out: Why a figure is not there, by its name (with its task before it where there are several).
    """

    contents: dict[str, bytes] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def figure_files(
    rows: pd.DataFrame,
    verdicts: Mapping[str, Verdict] | str,
    *,
    only: Iterable[str] = (),
    formats: Sequence[str] = ("pdf", "png"),
    tables: Mapping[str, pd.DataFrame] | None = None,
    diagnostics: pd.DataFrame | None = None,
) -> FigureFiles:
    """Draw what the rows allow.

    Args:
        rows: Those of one study or several.
        verdicts: Output of ``analysis.verdicts``, or why there is none.
        only: Some of ``analysis.gallery.FIGURES``; none means all.
        formats: Some of ``analysis.theme.FORMATS``.
        tables: Output of ``analysis.tables``, if it is at hand.
        diagnostics: Second moments, if any were looked at.
    """
    wanted = frozenset(only) or None
    several = rows["task"].nunique() > 1
    files = FigureFiles()
    with tempfile.TemporaryDirectory() as folder, analysis.use_theme():
        for drawn in draw_figures(rows, verdicts, only=wanted, tables=tables, diagnostics=diagnostics):
            task = "" if drawn.task is None or not several else re.sub(r"[^\w.-]+", "-", drawn.task) + "/"
            if drawn.figure is None:
                files.left_out[task + drawn.name] = drawn.reason
                continue
            for path in analysis.save_figure(drawn.figure, Path(folder, drawn.name), formats):
                files.contents[f"{FOLDER}/{task}{path.name}"] = path.read_bytes()
    return files
