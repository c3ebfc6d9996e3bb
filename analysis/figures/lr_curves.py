"""Curves over the learning rate, as they are or aligned at each label's best."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures.styles import (
    add_legend,
    axes_for,
    column_of,
    decades,
    draw_band,
    handle,
    measure_in,
    one_task,
    shown_names,
    styles,
    value_limits,
)
from analysis.measures import MEASURES
from analysis.summaries.lr_curve import CURVE_METRICS

_LEVELS = {"error": "chance", "metric": "knowing nothing", "loss": "loss at initialization"}
_GROUND: dict[str, Any] = {"color": "0.3", "linestyle": (0, (1, 2)), "linewidth": 1.0}


def lr_curves(
    curves: pd.DataFrame, *, metric: str = "val_error", aligned: bool = False, ax: Axes | None = None
) -> Axes:
    """Draw a curve over the learning rate for every label, its 95 % interval as a band.

    A dotted line is the level of a model that has learned nothing. The axis ends at 0 and just above that level and
    the curves (for a metric other than the error see `value_limits`); intervals that reach farther are cut off.

    Args:
        curves: Output of `lr_curve` for one task.
        metric: The metric that they were made with; an error stands for the metric of a task
            that is judged by another.
        aligned: Whether to divide each label's learning rates by its best one, which then has a line.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        ValueError: The table is of several tasks, or of none, or lacks the metric.
    """
    metric = column_of(curves, metric)
    if metric not in CURVE_METRICS or metric not in one_task(curves).columns:
        raise ValueError(
            f"metric must be a column of the curves and one of {', '.join(CURVE_METRICS)}, but got {metric!r}"
        )
    measure = measure_in(curves, metric)
    assert measure is not None
    factor = measure.factor
    names = shown_names(curves)
    own, ax = ax is None, axes_for(ax)
    x = "relative" if aligned else "lr"
    looks = styles(list(names))
    for label, style in looks.items():
        curve = curves[curves["label"] == label].sort_values(x)
        middle, low, high = (
            factor * curve[column].to_numpy(dtype=float) for column in (metric, "low", "high")
        )
        draw_band(ax, style, curve[x].to_numpy(dtype=float), middle, low, high)
    level = factor * float(curves["level"].iloc[0])
    ax.axhline(level, **_GROUND, zorder=0)
    if aligned:
        ax.axvline(1.0, color="0.7", linewidth=0.8, zorder=0)
    decades(ax, "x", curves[x].to_list())
    if metric.endswith("metric"):
        ax.set_ylim(value_limits(np.array([level, *factor * curves[metric]]), percent=measure.unit == "%"))
    else:
        ax.set_ylim(0, 1.06 * max(level, float(np.nanmax(factor * curves[metric]))))
    ax.set_xlabel("learning rate / best learning rate" if aligned else MEASURES["lr"].axis)
    ax.set_ylabel(measure.axis)
    ground = Line2D([], [], **_GROUND, label=_LEVELS[metric.partition("_")[2]])
    add_legend(ax, [*(handle(looks[label], names[label]) for label in names), ground], own=own)
    return ax
