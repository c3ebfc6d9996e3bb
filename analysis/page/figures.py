"""The figures that a page shows beside its explorer, by caption."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.gallery import FIGURES, draw_figures
from analysis.judgement.verdict import Verdict

VERDICT = "Verdict"
"""What the caption of the figure beside the verdict begins with."""

EXPLORED = frozenset({"lr-weight-decay", "lr-gradient-scale"})
"""Figures that the explorer stands for."""

_CAPTIONS = {
    "forest": f"{VERDICT}: differences from the references with their intervals, against the margins",
    "lr-error": "Validation error over the learning rate, mean over seeds with 95 % intervals",
    "lr-error-aligned": "Validation error over the learning rate, each optimizer's best at 1",
    "lr-loss": "Training loss over the learning rate; the line is the loss at initialization",
    "lr-loss-aligned": "Training loss over the learning rate, each optimizer's best at 1",
    "best-lr": "Best learning rate over gradient scale, with the slopes 0 and -1",
    "best-of-k": "Test error of the best of k random cells",
    "error-sensitivity": "Test error against sensitivity, with 95 % intervals and the Pareto front",
    "plane-test-error": "Test error over the plane of exponents",
    "plane-sensitivity": "Sensitivity over the plane of exponents",
    "distortion": "Second moments of the best cells: each element's against the global one, layer by layer",
    "profile": "Performance profile over workloads",
}


def page_figures(
    trials: pd.DataFrame,
    verdicts: Mapping[str, Verdict] | str,
    tables: Mapping[str, pd.DataFrame],
    diagnostics: pd.DataFrame | None = None,
) -> dict[str, Figure]:
    """Draw what of `analysis.figures.gallery.FIGURES` the rows allow, but those that the explorer stands for.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        verdicts: Output of `analysis.verdicts`, or why there is none.
        tables: Output of `analysis.tables`.
        diagnostics: Second moments as `analysis.distortion` describes them, if any were looked at.
    """
    shown = frozenset(FIGURES) - EXPLORED
    several = trials["task"].nunique() > 1
    made = {}
    for drawn in draw_figures(trials, verdicts, only=shown, tables=tables, diagnostics=diagnostics):
        if drawn.figure is not None:
            task = f" ({drawn.task})" if several and drawn.task else ""
            made[_caption(drawn.name) + task] = drawn.figure
    return made


def _caption(name: str) -> str:
    kind, _, rest = name.partition("-")
    return f"Ablation of {rest}" if kind == "ablation" else _CAPTIONS[name]
