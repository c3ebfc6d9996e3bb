"""Lines over a budget, the gradient scale and a ratio: best of k, best learning rates, performance profiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from analysis.styles import (
    add_legend,
    axes_for,
    decades,
    draw_band,
    handle,
    one_task,
    shown_names,
    styles,
)

SLOPES = {0.0: "slope 0 (as AdamW)", -1.0: "slope −1 (as SGD)"}
"""Of log lr* against log c: the scale is not felt, or in full."""

_SLOPE_DASHES = {0.0: (0, (6, 3)), -1.0: (0, (1, 2))}


def best_of_k_curves(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the test error to expect from k runs, with 95 % intervals as bands.

    Args:
        table: Output of `analysis.best_of_k` for one task.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        ValueError: The table is of several tasks, or of none.
    """
    names = shown_names(one_task(table))
    own, ax = ax is None, axes_for(ax)
    looks = styles(list(names))
    for label, style in looks.items():
        curve = table[table["label"] == label].sort_values("k")
        errors = [100 * curve[name].to_numpy(dtype=float) for name in ("test_error", "low", "high")]
        draw_band(ax, style, curve["k"].to_numpy(dtype=float), *errors)
    doublings = 2 ** np.arange(int(np.log2(table["k"].max())) + 1)
    for line in ax.lines:
        line.set_markevery([int(k) - 1 for k in doublings if k <= np.size(line.get_xdata())])
    ax.set_xscale("log", base=2)
    ax.set_xticks(doublings, [str(k) for k in doublings])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="budget k (runs of different cells)", ylabel="expected test error (%)")
    ax.set_ylim(0, max(1.0, 108 * float(table["test_error"].max())))
    add_legend(ax, [handle(looks[label], names[label]) for label in names], own=own)
    return ax


def best_rate_lines(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw log lr* against log c for every label, with 95 % intervals, and the slopes 0 and -1.

    A point is hollow where a seed's best learning rate lies on an end of its grid: it may be farther out.

    Args:
        table: Output of `analysis.scale.best_rates` for one task.
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


def profile_curves(profile: pd.DataFrame, names: dict[str, str], *, ax: Axes | None = None) -> Axes:
    """Draw performance profiles: the share of the workloads within a factor of the best test error.

    Args:
        profile: Output of `analysis.performance_profile`.
        names: How the figure names the labels, in this order.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.
    """
    own, ax = ax is None, axes_for(ax)
    looks = styles(list(names))
    for label, style in looks.items():
        curve = profile[profile["label"] == label].sort_values("ratio")
        ax.plot(
            curve["ratio"], curve["share"], color=style.colour, marker=style.marker, linestyle=style.dash,
            markersize=3.5, linewidth=1.1, drawstyle="steps-post",
        )  # fmt: skip
    ax.set(
        xlabel="test error / best test error of the workload",
        ylabel="share of the workloads",
        ylim=(-0.03, 1.03),
    )
    add_legend(ax, [handle(looks[label], names[label]) for label in names], own=own)
    return ax
