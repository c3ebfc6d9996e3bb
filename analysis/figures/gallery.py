"""All figures of a study by name: those that its rows allow, and the reasons why the others are left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.ablation import ablation_figure, find_ablations
from analysis.figures.best_lr import best_rate_lines
from analysis.figures.best_of_k import best_of_k_curves
from analysis.figures.distortion import distortion_grid
from analysis.figures.exponent_plane import plane
from analysis.figures.forest import forest, forest_rows
from analysis.figures.heatmaps import surface_grid
from analysis.figures.lr_curves import lr_curves
from analysis.figures.profile import profile_curves
from analysis.figures.styles import add_footnote, axes_for, column_of, measure_in, shown_names
from analysis.figures.tradeoff import tradeoff
from analysis.judgement.study_verdicts import StudyVerdicts
from analysis.judgement.verdict import Verdict
from analysis.labels import DAGGER
from analysis.metrics.distortion import distortion
from analysis.metrics.scale_exponent import best_rates
from analysis.metrics.selection import selected_cells
from analysis.summaries.lr_curve import lr_curve
from analysis.summaries.tables import attempt
from analysis.summaries.tables import tables as tables_of
from analysis.task_metric import by_error, task_metrics
from analysis.trials import at_scale_one, with_significant
from analysis.workloads import by_workload

MOST_LINES = 10
"""More labels than this cannot be told apart in one figure."""


@dataclass(frozen=True)
class Drawn:
    """A figure, or why there is none.

    Attributes:
        task: The task that it shows, or None where it is about all of them.
        name: The name of its file: one of `FIGURES`, or 'ablation-<optimizer>' or 'plane-<score>'.
        figure: The figure, or None.
        reason: Why there is none; empty where there is one.
    """

    task: str | None
    name: str
    figure: Figure | None
    reason: str = ""


@dataclass(frozen=True)
class _Rows:
    trials: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]
    verdicts: StudyVerdicts
    diagnostics: pd.DataFrame | None

    def of_task(self, name: str, task: str) -> pd.DataFrame:
        table = self.tables[name]
        return table[table["task"] == task]


Results = Iterator[tuple[str, Figure | str]]
"""Names, each with a figure or with the reason why there is none."""


def draw_figures(
    trials: pd.DataFrame,
    verdicts: StudyVerdicts | Mapping[str, Verdict] | str,
    *,
    only: frozenset[str] | None = None,
    tables: Mapping[str, pd.DataFrame] | None = None,
    diagnostics: pd.DataFrame | None = None,
) -> Iterator[Drawn]:
    """Draw every figure that the rows allow, one at a time.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, of one or several workloads.
        verdicts: Output of `analysis.verdicts`, or why there is none.
        only: Some of `FIGURES`; None means all.
        tables: Output of `analysis.tables`, if it is at hand.
        diagnostics: Second moments as `analysis.distortion` describes them, if any were recorded.

    Yields:
        Every figure of `only`, drawn or with a reason: task by task, and then those about all tasks.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    trials = by_workload(trials)
    known = tables_of(trials) if tables is None and len(trials) else tables or {}
    rows = _Rows(trials, known, StudyVerdicts.of(verdicts), diagnostics)
    for task in sorted(trials["task"].unique()):
        for name, draw in _OF_TASK.items():
            if only is None or name in only:
                results, why = attempt(lambda: [*draw(rows, str(task), name)])  # noqa: B023 (called at once)
                for drawn_name, result in results if results is not None else [(name, why)]:
                    yield _drawn(str(task), drawn_name, result)
    for name, draw_one in _OF_ALL.items():
        if only is None or name in only:
            figure, why = attempt(lambda: draw_one(rows))  # noqa: B023 (called at once)
            yield _drawn(None, name, why if figure is None else figure)


def _drawn(task: str | None, name: str, result: Figure | str) -> Drawn:
    return Drawn(task, name, None, result) if isinstance(result, str) else Drawn(task, name, result)


def _figure(ax: Axes) -> Figure:
    assert isinstance(ax.figure, Figure)
    return ax.figure


def _surfaces(y: str) -> Callable[[_Rows, str, str], Results]:
    def draw(rows: _Rows, task: str, name: str) -> Results:
        grid = rows.trials[(rows.trials["task"] == task) & (rows.trials["role"] == "grid")]
        if grid.empty:
            yield name, "the task has no trial of a grid"
        elif y == "grad_scale" and grid[y].nunique() < 2:
            yield name, "needs 2 gradient scales or more"
        else:
            yield name, surface_grid(rows.trials[rows.trials["task"] == task], y=y, task=task)

    return draw


def _too_many(table: pd.DataFrame) -> str:
    labels = table["label"].nunique()
    if labels > MOST_LINES:
        return f"{labels} labels cannot be told apart as lines (at most {MOST_LINES})"
    return "" if labels else "no label has a usable run at gradient scale 1"


def _over_lr(metric: str, *, aligned: bool) -> Callable[[_Rows, str, str], Results]:
    def draw(rows: _Rows, task: str, name: str) -> Results:
        needed = [] if metric.endswith("error") else [metric, "init_loss"]
        trials = rows.trials[rows.trials["task"] == task]
        missing = [column for column in needed if column not in trials or trials[column].isna().all()]
        if missing:
            yield name, f"the rows hold no {missing[0]}"
            return
        curves = lr_curve(trials, metric=metric)
        yield name, _too_many(curves) or _figure(lr_curves(curves, metric=metric, aligned=aligned))

    return draw


def _best_rates(rows: _Rows, task: str, name: str) -> Results:
    table = best_rates(rows.trials[rows.trials["task"] == task])
    if table["grad_scale"].nunique() < 2:
        yield name, "needs 2 gradient scales or more"
    else:
        yield name, _too_many(table) or _figure(best_rate_lines(table))


def _best_of_k(rows: _Rows, task: str, name: str) -> Results:
    table = rows.of_task("best_of_k", task)
    yield name, _too_many(table) or _figure(best_of_k_curves(table))


def _tradeoff(rows: _Rows, task: str, name: str) -> Results:
    metrics = rows.of_task("metrics", task)
    value = column_of(metrics, "test_error")
    if metrics.dropna(subset=[value, "sensitivity"]).empty:
        measure = measure_in(metrics, value)
        yield name, f"no label has both a {measure.title if measure else value} and a sensitivity"
    else:
        yield name, _too_many(metrics) or _figure(tradeoff(metrics))


def _ablations(rows: _Rows, task: str, name: str) -> Results:
    ablations = [
        one for one in find_ablations(rows.of_task("metrics", task)) if not {"p", "q"} <= set(one.varied)
    ]
    if not ablations:
        yield name, "no optimizer has variations that differ in a number, and a score"
    for ablation in ablations:
        yield f"{name}-{ablation.optimizer}", ablation_figure(ablation)


def _plane(rows: _Rows, task: str, name: str) -> Results:
    planes = [one for one in find_ablations(rows.of_task("metrics", task)) if {"p", "q"} <= set(one.varied)]
    if not planes:
        yield name, "no optimizer is varied in both exponents p and q"
    for one in planes:
        for score in ("test_error", "sensitivity"):
            column = column_of(one.points, score)
            if one.points[column].notna().any():
                ax = plane(one.points, score=column, ax=axes_for(None, height=2.8))
                if any(DAGGER in text.get_text() for text in ax.texts):
                    add_footnote(_figure(ax))
                yield f"{name}-{score.replace('_', '-')}", _figure(ax)


def _distortion(rows: _Rows, task: str, name: str) -> Results:
    trials = with_significant(rows.trials[rows.trials["task"] == task])
    if rows.diagnostics is None or rows.diagnostics.empty:
        yield name, "no second moments were looked at (diagnostics in the study file)"
        return
    best = selected_cells(trials)[["label", "lr", "weight_decay"]]
    table = distortion(trials[at_scale_one(trials["grad_scale"])].merge(best), rows.diagnostics)
    yield name, distortion_grid(table) if len(table) else "no best cell has second moments"


def _forest(rows: _Rows) -> Figure | str:
    if not rows.verdicts.by_candidate:
        return rows.verdicts.reason
    verdicts = rows.verdicts.by_candidate
    margin = next(iter(verdicts.values())).generalization
    return _figure(forest(forest_rows(verdicts), shown_names(rows.trials), generalization=margin))


def _profile(rows: _Rows) -> Figure | str:
    profile = rows.tables.get("performance_profile", pd.DataFrame())
    if profile.empty or int(np.max(profile["workloads"])) < 2:
        return "needs 2 workloads or more: give the folders of several studies"
    names = shown_names(rows.trials)
    errors = by_error(task_metrics(rows.trials))
    return _too_many(profile) or _figure(profile_curves(profile, names, errors=errors))


_OF_TASK: dict[str, Callable[[_Rows, str, str], Results]] = {
    "lr-weight-decay": _surfaces("weight_decay"),
    "lr-gradient-scale": _surfaces("grad_scale"),
    "lr-error": _over_lr("val_error", aligned=False),
    "lr-error-aligned": _over_lr("val_error", aligned=True),
    "lr-loss": _over_lr("train_loss", aligned=False),
    "lr-loss-aligned": _over_lr("train_loss", aligned=True),
    "best-lr": _best_rates,
    "best-of-k": _best_of_k,
    "error-sensitivity": _tradeoff,
    "ablation": _ablations,
    "plane": _plane,
    "distortion": _distortion,
}
_OF_ALL: dict[str, Callable[[_Rows], Figure | str]] = {"forest": _forest, "profile": _profile}

FIGURES = (*_OF_TASK, *_OF_ALL)
"""The names that `draw_figures` knows."""
