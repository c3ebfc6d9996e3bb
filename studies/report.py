"""Tables and figures of a study, written into its folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

import analysis
from studies.errors import StoreError
from studies.results import Store, open_existing
from studies.spec import StudySpec
from studies.trials import in_study


def write_report(rows: pd.DataFrame, store: Store) -> tuple[pd.DataFrame, list[str]]:
    """Write ``summary.csv`` and the heatmaps; return the summary table and the names of the files."""
    table = analysis.summary(rows)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        table.to_csv(made / "summary.csv", index=False)
        _draw_surfaces(rows, made / "figures")
        _draw_distortion(rows, store.diagnostics(), made / "figures")
        names = sorted(str(path.relative_to(made)) for path in made.rglob("*") if path.is_file())
        for name in names:
            store.write_file(name, (made / name).read_bytes())
    return table, names


def _draw_surfaces(rows: pd.DataFrame, folder: Path) -> None:
    """Draw lr x weight decay and, where it was varied, lr x gradient scale, as PNG and PDF."""
    folder.mkdir()
    with analysis.use_theme():
        for y, name in (("weight_decay", "lr-weight-decay"), ("grad_scale", "lr-gradient-scale")):
            if y == "weight_decay" or rows[y].nunique() > 1:
                analysis.save_figure(analysis.surface_grid(rows, y=y), folder / name)


def _draw_distortion(rows: pd.DataFrame, diagnostics: pd.DataFrame, folder: Path) -> None:
    """Draw second moments at each label's selected cell, where they were looked at."""
    best = analysis.selected_cells(rows)[["task", "label", "lr", "weight_decay"]]
    table = analysis.distortion(rows[rows["grad_scale"] == 1].merge(best), diagnostics)
    if len(table):
        with analysis.use_theme():
            analysis.save_figure(analysis.distortion_grid(table), folder / "distortion")


def report(location: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """Write the report of the study in a folder; return what ``write_report`` returns.

    Raises:
        StoreError: If the folder holds no study, or no row yet.
        SpecError: If the study file in it is not valid.
    """
    store = open_existing(location)
    spec = StudySpec.from_text(store.read_study() or "", source=f"{location}/study.yaml")
    rows = in_study(store.rows(), spec)
    if rows.empty:
        raise StoreError(f"{location}: holds no finished trial yet")
    return write_report(rows, store)
