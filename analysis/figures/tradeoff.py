"""Test error or metric against sensitivity: which labels are good, which are robust, and which are both."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures.styles import (
    add_legend,
    axes_for,
    column_of,
    handle,
    in_front_order,
    one_task,
    score_axes,
    shown,
    shown_names,
    spread,
    styles,
)
from analysis.labels import in_order

FRONT = "0.6"


def tradeoff(
    metrics: pd.DataFrame, *, x: str = "test_error", y: str = "sensitivity", ax: Axes | None = None
) -> Axes:
    """Draw every label by two scores, better to the left and below, with 95 % intervals and the Pareto front.

    The axis of a metric whose larger values are better runs backwards.

    Args:
        metrics: The table 'metrics' of `analysis.tables` for one task: columns label, optimizer, on_front, x and y,
            and x_low, x_high, y_low and y_high.
        x: A score; test_error stands for test_metric in the table of a task that is judged by another metric.
        y: Another.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes. Labels without one of the scores are left out.

    Raises:
        ValueError: The table is of several tasks, or no label has both scores.
    """
    x, y = column_of(metrics, x), column_of(metrics, y)
    known = one_task(metrics).dropna(subset=[x, y])
    if known.empty:
        raise ValueError(f"metrics must have a label with {x} and {y}, but has none")
    names = shown_names(metrics)
    own, ax = ax is None, axes_for(ax, height=2.4)
    best = in_front_order(known[known["on_front"]], x, y)
    ax.plot(shown(best, x), shown(best, y), color=FRONT, linewidth=1.4, drawstyle="steps-post", zorder=1)
    looks = styles(list(names))
    for label in known["label"]:
        one, style = known[known["label"] == label], looks[label]
        ax.errorbar(
            shown(one, x), shown(one, y), xerr=spread(one, x), yerr=spread(one, y), color=style.colour,
            marker=style.marker, markersize=5, elinewidth=0.7, capsize=1.5, zorder=3,
        )  # fmt: skip
    score_axes(ax, known, x, y)
    entries = [handle(looks[label]._replace(dash="none"), names[label]) for label in in_order(known["label"])]
    front = Line2D([], [], color=FRONT, linewidth=1.4, label="Pareto front")
    add_legend(ax, [*entries, front], own=own)
    return ax
