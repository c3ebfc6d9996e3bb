"""The best learning rate over the gradient scale, beside the slopes of AdamW and SGD."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.figures.styles import (
    add_legend,
    axes_for,
    decades,
    handle,
    one_task,
    shown_names,
    styles,
)

SLOPES = {0.0: "slope 0 (as AdamW)", -1.0: "slope −1 (as SGD)"}
"""Slopes of log lr* against log c: the scale does not affect the optimizer, or affects it in full."""

_SLOPE_DASHES = {0.0: (0, (6, 3)), -1.0: (0, (1, 2))}


def best_rate_lines(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw log lr* against log c for every label, with 95 % intervals, and the slopes 0 and -1.

    A point is hollow where a seed's best learning rate lies on an end of its grid: it may lie farther out.

    Args:
        table: Output of `analysis.metrics.scale_exponent.best_rates` for one task.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes. The slopes pass through the geometric means of c and lr*.

    Raises:
        ValueError: The table is of several tasks, or of none.
    """
    names = shown_names(one_task(table))
    own, ax = ax is None, axes_for(ax, height=2.4)
    scales = np.sort(table["grad_scale"].unique().astype(float))
    centre = (np.log10(scales).mean(), np.log10(table["best_lr"]).mean())
    guides = []
    for slope, text in SLOPES.items():
        guide = 10 ** (centre[1] + slope * (np.log10(scales) - centre[0]))
        guides += ax.plot(scales, guide, color="0.55", linestyle=_SLOPE_DASHES[slope], label=text, zorder=0)
    looks = styles(list(names))
    for label, style in looks.items():
        line = table[table["label"] == label].sort_values("grad_scale")
        x, y = line["grad_scale"].to_numpy(dtype=float), line["best_lr"].to_numpy(dtype=float)
        reach = np.nan_to_num(np.array([y - line["low"], line["high"] - y], dtype=float))
        ax.errorbar(x, y, yerr=reach, fmt="none", ecolor=style.colour, elinewidth=0.8, capsize=1.5)
        ax.plot(x, y, color=style.colour, linestyle=style.dash, linewidth=1.1)
        for edge, face in ((False, style.colour), (True, "white")):
            part = line["on_edge"].to_numpy() > 0
            part = part if edge else ~part
            look: dict[str, Any] = {
                "color": style.colour,
                "marker": style.marker,
                "markerfacecolor": face,
                "markersize": 4.5,
            }
            ax.plot(x[part], y[part], linestyle="none", **look)
    decades(ax, "x", scales.tolist())
    rates = table[["low", "high", "best_lr"]].to_numpy(dtype=float)
    lowest, highest = float(np.nanmin(rates)), float(np.nanmax(rates))
    decades(ax, "y", [lowest, highest])
    ax.set_ylim(lowest / 2, highest * 2)
    ax.set(xlabel="gradient scale c", ylabel="best learning rate lr*")
    entries = [handle(looks[label], names[label]) for label in names]
    if (table["on_edge"] > 0).any():
        hollow: dict[str, Any] = {
            "color": "0.2",
            "marker": "o",
            "markerfacecolor": "white",
            "markersize": 4.5,
        }
        entries.append(Line2D([], [], linestyle="none", label="at its grid's edge", **hollow))
    add_legend(ax, [*entries, *guides], own=own)
    return ax
