"""The figures that a page shows beside its explorer, by caption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.gallery import FIGURES, draw_figures
from analysis.judgement.study_verdicts import StudyVerdicts
from analysis.measures import measure
from analysis.task_metric import ERROR, TaskMetric, task_metrics
from analysis.workloads import by_workload

EXPLORED = frozenset({"lr-weight-decay", "lr-gradient-scale"})
"""Figures that are left out, since the explorer shows the same."""

_CAPTIONS = {
    "forest": "Verdict: differences from the references with their intervals, against the margins",
    "lr-error": "{val} over the learning rate, mean over seeds with 95 % intervals",
    "lr-error-aligned": "{val} over the learning rate, each optimizer's best at 1",
    "lr-loss": "Training loss over the learning rate; the line is the loss at initialization",
    "lr-loss-aligned": "Training loss over the learning rate, each optimizer's best at 1",
    "best-lr": "Best learning rate over gradient scale, with the slopes 0 and -1",
    "best-of-k": "{test} of the best of k random cells",
    "error-sensitivity": "{test} against sensitivity, with 95 % intervals and the Pareto front",
    "plane-test-error": "{test} over the plane of exponents",
    "plane-sensitivity": "Sensitivity over the plane of exponents",
    "distortion": "Second moments of the best cells: each element's against the global one, layer by layer",
    "profile": "Performance profile over workloads",
}


@dataclass(frozen=True)
class PageFigures:
    """The figures of a page by caption.

    Attributes:
        verdict: Those beside the verdict.
        others: All others.
    """

    verdict: dict[str, Figure] = field(default_factory=dict)
    others: dict[str, Figure] = field(default_factory=dict)


def page_figures(
    trials: pd.DataFrame,
    verdicts: StudyVerdicts,
    tables: Mapping[str, pd.DataFrame],
    diagnostics: pd.DataFrame | None = None,
) -> PageFigures:
    """Draw those of `analysis.figures.gallery.FIGURES` that the rows allow and the explorer does not show.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        verdicts: The verdicts that the studies declare.
        tables: Output of `analysis.tables`.
        diagnostics: Second moments as `analysis.distortion` describes them, if any were recorded.
    """
    trials = by_workload(trials)
    shown = frozenset(FIGURES) - EXPLORED
    several = trials["task"].nunique() > 1
    metrics = task_metrics(trials)
    figures = PageFigures()
    for drawn in draw_figures(trials, verdicts, only=shown, tables=tables, diagnostics=diagnostics):
        if drawn.figure is not None:
            task = f" ({drawn.task})" if several and drawn.task else ""
            group = figures.verdict if drawn.name == "forest" else figures.others
            group[_caption(drawn.name, metrics.get(drawn.task or "", ERROR)) + task] = drawn.figure
    return figures


def _caption(name: str, metric: TaskMetric) -> str:
    kind, _, rest = name.partition("-")
    if kind == "ablation":
        return f"Ablation of {rest}"
    shown = {split: measure(f"{split}_metric", metric) for split in ("val", "test")}
    words = {split: one.title if metric == ERROR else one.axis for split, one in shown.items()}
    return _CAPTIONS[name].format(**{split: text[0].upper() + text[1:] for split, text in words.items()})
