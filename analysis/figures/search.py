"""Figures of a search: its front, how its scores respond to a hyperparameter, and how the front grew."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.figures.styles import (
    COLOURS,
    axes_for,
    decade_ticks,
    in_front_order,
    is_reversed,
    power_of_ten,
    score_axes,
    score_name,
    shown,
    spread,
    styles,
)
from analysis.task_metric import SHOWN_COLUMNS

REFERENCE_STYLES = ("s", "D", "^", "v", "P", "X")
_DASHES = ("--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
_GREY = "0.35"
_WIDTH, _HEIGHT = 3.4, 2.7


def front(
    points: pd.DataFrame,
    *,
    x: str,
    y: str,
    colour: str | None = None,
    references: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the points of a search by two scores, with their front and the references.

    Points on the front are large, have 95 % intervals where these are known, and are joined by the line that bounds
    what they dominate; the others are small. Every reference has a grey marker of its own, with intervals. The axis
    of a metric whose larger values are better runs backwards, so that better is always left and below.

    Args:
        points: One row per point, with the columns x, y, on_front (boolean) and `colour`; also x_low, x_high,
            y_low and y_high, where there are intervals, and metric, unit and direction where a score is of a metric.
        x: A score.
        y: Another.
        colour: A numeric column that colours the points; None leaves them of one colour.
        references: One row per reference, with the columns label, x and y, and intervals likewise.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        ValueError: A column is missing.
    """
    _require(points, [x, y, "on_front", *([colour] if colour else [])])
    ax = axes_for(ax, width=3.6, height=3.0)
    best = in_front_order(points[points["on_front"]], x, y)
    ax.plot(shown(best, x), shown(best, y), color="0.6", linewidth=0.9, drawstyle="steps-post", zorder=1)
    _crosses(ax, best, x, y, colour="0.75", zorder=0)
    look: dict[str, Any] = {"zorder": 3}
    if colour is not None:
        values = points[colour].to_numpy(dtype=float)
        look["cmap"], look["norm"] = COLOURS, mpl.colors.Normalize(values.min(), values.max())
    for part, area, edge in ((points[~points["on_front"]], 12, "none"), (best, 38, "black")):
        inks = {"c": part[colour].to_numpy(dtype=float)} if colour else {"color": "tab:blue"}
        drawn = ax.scatter(
            shown(part, x), shown(part, y), s=area, edgecolors=edge, linewidths=0.6, **inks, **look
        )
    if colour is not None:
        ax.figure.colorbar(drawn, ax=ax, label=colour, aspect=30, pad=0.02)
    for index, (_, row) in enumerate(_as_judged(references, points).iterrows()):
        one = row.to_frame().T
        _crosses(ax, one, x, y, colour=_GREY, zorder=2)
        marker = REFERENCE_STYLES[index % len(REFERENCE_STYLES)]
        look = {"marker": marker, "s": 34, "facecolors": "white", "edgecolors": "black", "zorder": 4}
        ax.scatter(shown(one, x), shown(one, y), label=row["label"], **look)
    if ax.get_legend_handles_labels()[0]:
        # above the axes: inside, its markers would be taken for points
        above: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 4}
        ax.legend(fontsize="small", frameon=False, **above)
    score_axes(ax, points, x, y)
    return ax


def response(
    points: pd.DataFrame,
    *,
    x: str,
    y: str,
    log: bool = False,
    joined: bool = True,
    series: str | None = None,
    references: pd.DataFrame | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw how a score responds to a hyperparameter: 95 % intervals over seeds, references as lines.

    Args:
        points: One row per point, with the columns x and y, and y_low and y_high where there are intervals.
        x: A numeric hyperparameter.
        y: A score.
        log: Whether x has a logarithmic axis.
        joined: Whether to join the points, as where nothing but x differs between them.
        series: A column whose values have a curve each, named in the legend and drawn side by side, so that their
            intervals do not hide each other; None draws one curve.
        references: One row per reference, with the columns label and y.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        ValueError: A column is missing.
    """
    _require(points, [x, y])
    ax = axes_for(ax, width=_WIDTH, height=_HEIGHT)
    names = [None] if series is None else list(points[series].unique())
    for index, (name, style) in enumerate(zip(names, styles(list(map(str, names))).values(), strict=True)):
        ordered = (points if name is None else points[points[series] == name]).sort_values(x)
        ax.errorbar(
            beside(ordered[x], points[x], index - (len(names) - 1) / 2, log=log),
            shown(ordered, y),
            yerr=spread(ordered, y),
            marker=style.marker,
            linestyle=style.dash if joined else "none",
            markersize=3.5,
            linewidth=1.1,
            elinewidth=0.6,
            color=style.colour,
            label=name,
            zorder=3,
        )
    for index, (_, row) in enumerate(_as_judged(references, points).iterrows()):
        level = shown(row.to_frame().T, y)[0]
        ax.axhline(level, color=_GREY, linewidth=1.0, linestyle=_DASHES[index % 4], label=row["label"])
    if log:
        ax.set_xscale("log")
        ticks = decade_ticks(points[x].astype(float).tolist())
        ax.set_xticks(ticks, [power_of_ten(tick) for tick in ticks])
        ax.set_xticks([], minor=True)
    better = "\nbetter: above" if is_reversed(points, y) else ""
    ax.set(xlabel=x, ylabel=f"{score_name(points, y)}{better}")
    return ax


def beside(values: pd.Series, all_values: pd.Series, steps: float, *, log: bool) -> np.ndarray:
    """Return values moved by some steps of 1.2 % of the axis that holds them all."""
    if log:
        return 10 ** beside(values.transform(np.log10), all_values.transform(np.log10), steps, log=False)
    numbers = values.to_numpy(dtype=float)
    return numbers + steps * 0.012 * float(all_values.max() - all_values.min())


def hypervolume_curve(history: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how much the front had gained after each point.

    Args:
        history: Output of `analysis.statistics.pareto.hypervolume_history`.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.
    """
    _require(history, ["points", "hypervolume"])
    ax = axes_for(ax, width=_WIDTH, height=_HEIGHT)
    ax.plot(history["points"], history["hypervolume"], drawstyle="steps-post", color="tab:blue")
    ax.set(xlabel="points", ylabel="hypervolume (share of the box)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    return ax


def _as_judged(references: pd.DataFrame | None, points: pd.DataFrame) -> pd.DataFrame:
    """Return the references, which are judged by the metric that the points name."""
    if references is None:
        return points[:0]
    named = {name: points[name].iloc[0] for name in SHOWN_COLUMNS if name in points.columns and len(points)}
    return references.assign(**named)


def _crosses(ax: Axes, table: pd.DataFrame, x: str, y: str, *, colour: str, zorder: float) -> None:
    reach: dict[str, Any] = {"xerr": spread(table, x), "yerr": spread(table, y)}
    ax.errorbar(
        shown(table, x), shown(table, y), **reach, fmt="none", ecolor=colour, elinewidth=0.6, zorder=zorder
    )


def _require(table: pd.DataFrame, names: list[str]) -> None:
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise ValueError(f"the table must have the columns {', '.join(names)}, but lacks {missing}")
