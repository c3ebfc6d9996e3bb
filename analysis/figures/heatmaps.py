"""Heatmaps of sensitivity surfaces: one panel per label, one colour scale for all."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from analysis.figures.styles import (
    COLOURS,
    decade_ticks,
    footnote_entry,
    midpoint_edges,
    power_of_ten,
    score_name,
)
from analysis.figures.theme import COLUMN_WIDTH, PAGE_WIDTH
from analysis.labels import dagger, in_order
from analysis.measures import MEASURES
from analysis.summaries.panels import Panel, panels_of
from analysis.summaries.surface import surface
from analysis.trials import check_proportion
from analysis.workloads import by_workload

_SOME, _ALL = "////", "xxxx"
_LOST: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.35", "hatch": _ALL, "linewidth": 0}
_STAR: dict[str, Any] = {
    "marker": "*",
    "markersize": 9,
    "markerfacecolor": "white",
    "markeredgecolor": "black",
    "markeredgewidth": 0.8,
    "linestyle": "none",
}


def draw_panel(panel: Panel, *, scale: Normalize, delta: float, ax: Axes) -> Axes:
    """Draw one label's surface on axes of log10(lr) and the categories of y.

    Colour is accuracy, or the task's metric; bright is better. A star marks the selected cell, an outline the cells
    within `delta` of it; hatching marks cells where some seeds diverged, crosses on white those where all did; a
    cell without a result is blank.
    """
    lefts = midpoint_edges(np.log10(panel.lrs))
    bottoms = np.arange(len(panel.levels) + 1) - 0.5
    shown = np.ma.masked_invalid(np.where(panel.lost, np.nan, panel.values))
    ax.pcolormesh(lefts, bottoms, shown, norm=scale, cmap=_colours(panel), edgecolors="face", linewidth=0.3)
    for row, column in zip(*np.nonzero(panel.diverged > 0), strict=True):
        look = _LOST
        if not panel.lost[row, column]:
            look = _hatching(float(scale(panel.values[row, column])), _colours(panel))
        wide = lefts[column + 1] - lefts[column]
        ax.add_patch(Rectangle((lefts[column], bottoms[row]), wide, 1, **look))
    segments = _outline(panel.near_best(delta), lefts, bottoms)
    for colour, points in (("black", 2.6), ("white", 1.2)):
        lines = LineCollection(segments, colors=colour, linewidths=points, capstyle="projecting")
        ax.add_collection(lines, autolim=False)
    if panel.best is not None:
        row, column = panel.best
        ax.plot(np.log10(panel.lrs[column]), row, **_STAR, zorder=5)
    ticks = decade_ticks(panel.lrs.tolist(), most=3)
    ax.set_xticks(np.log10(ticks), [power_of_ten(tick) for tick in ticks])
    ax.set_yticks(range(len(panel.levels)), [power_of_ten(level) for level in panel.levels])
    ax.tick_params(labelsize="small", length=2)
    ax.set(xlim=(lefts[0], lefts[-1]), ylim=(bottoms[0], bottoms[-1]))
    return ax


def surface_grid(
    trials: pd.DataFrame,
    *,
    y: str = "weight_decay",
    metric: str = "val_accuracy",
    task: str | None = None,
    labels: Sequence[str] | None = None,
    delta: float = 0.01,
) -> Figure:
    """Draw the surfaces of all labels as small multiples.

    Every panel has its own lr axis, since each grid has a centre of its own; the colours are shared, and so is
    the y axis, unless the labels have so few values in common that most of it would be blank.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        y: 'weight_decay' (at gradient scale 1) or 'grad_scale' (at each label's selected weight decay).
        metric: 'val_accuracy' or 'test_accuracy', which stand for the metric of a task that is judged by another.
        task: The task to draw; it may be left out where the rows have one only.
        labels: The labels to draw, in this order; None draws all, sorted by name and value.
        delta: The outline holds the cells within this fraction of the best one's accuracy, or within this share
            of D_w where the task is judged by another metric.

    Returns:
        A figure without a window; `analysis.save_figure` writes it.

    Raises:
        ValueError: There is nothing to draw, the task is not clear, a label is unknown, or an argument is
            wrong.
    """
    check_proportion("delta", delta)
    trials = by_workload(trials)
    cells = _of_task(surface(trials, x="lr", y=y, metric=metric), task)
    shown = _known_labels(cells, labels)
    cells = cells[cells["label"].isin(shown)]
    by_accuracy = metric in cells.columns
    metric = metric if by_accuracy else metric.replace("accuracy", "metric")
    panels = panels_of(trials, cells, shown, y, metric)
    trained = np.concatenate(
        [panel.values[~panel.lost & ~np.isnan(panel.values)] for panel in panels.values()]
    )
    scale = Normalize(trained.min(), trained.max()) if len(trained) else Normalize(0, 100)
    optimizers = cells.drop_duplicates("label").set_index("label")["optimizer"].astype("str")
    daggers = optimizers.map(dagger)
    near = (
        f"within {100 * delta:g} percentage point{'' if delta == 0.01 else 's'} of it"
        if by_accuracy
        else f"worse by at most {100 * delta:g} % of $D_w$"
    )
    handles = _legend(list(panels.values()), near, noted=bool(daggers.any()))
    fig, axes = _small_multiples(len(shown), max(len(p.levels) for p in panels.values()), len(handles))
    shared = len({tuple(panel.levels) for panel in panels.values()}) == 1
    for index, (ax, (label, panel)) in enumerate(zip(axes, panels.items(), strict=True)):
        draw_panel(panel, scale=scale, delta=delta, ax=ax)
        ax.tick_params(labelleft=not shared or index % _columns(len(axes)) == 0)
        if index + _columns(len(axes)) >= len(axes):
            ax.set_xlabel(MEASURES["lr"].axis, fontsize="small")
        ax.set_title(_title(label, daggers[label]), fontsize="small")
    fig.supylabel(MEASURES[y].axis, fontsize="medium")
    bar: dict[str, Any] = {"label": score_name(cells, metric), "aspect": 30, "pad": 0.015}
    fig.colorbar(ScalarMappable(scale, _colours(next(iter(panels.values())))), ax=axes, **bar)
    fig.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_legend_columns(len(axes)),
        fontsize="small",
        frameon=False,
        columnspacing=1.0,
        handlelength=1.5,
    )
    return fig


def _colours(panel: Panel) -> str:
    """Return the colour map in which the better values are bright."""
    return f"{COLOURS}_r" if panel.direction == "min" else COLOURS


def _hatching(position: float, colours: str) -> dict[str, Any]:
    """Return the hatching of a partly diverged cell: black or white, whichever stands out on its colour."""
    red, green, blue, _ = mpl.colormaps[colours](position)
    ink = "black" if 0.3 * red + 0.6 * green + 0.1 * blue > 0.45 else "white"
    return {"facecolor": "none", "edgecolor": ink, "hatch": _SOME, "linewidth": 0}


def _outline(inside: np.ndarray, lefts: np.ndarray, bottoms: np.ndarray) -> list[np.ndarray]:
    """Return the segments between cells that are inside and cells that are not."""
    padded = np.pad(inside, 1)
    segments = []
    for row, column in zip(*np.nonzero(padded[:, 1:] != padded[:, :-1]), strict=True):
        segments.append(np.array([[lefts[column], bottoms[row - 1]], [lefts[column], bottoms[row]]]))
    for row, column in zip(*np.nonzero(padded[1:] != padded[:-1]), strict=True):
        segments.append(np.array([[lefts[column - 1], bottoms[row]], [lefts[column], bottoms[row]]]))
    return segments


def _of_task(cells: pd.DataFrame, task: str | None) -> pd.DataFrame:
    tasks = sorted(cells["task"].unique())
    if not tasks:
        raise ValueError("trials must have grid rows to draw, but has none on this plane")
    if task is None and len(tasks) > 1:
        raise ValueError(f"task must be one of {', '.join(tasks)}, but got None")
    if task is not None and task not in tasks:
        raise ValueError(f"task must be one of {', '.join(tasks)}, but got {task!r}")
    return cells[cells["task"] == (task or tasks[0])]


def _known_labels(cells: pd.DataFrame, labels: Sequence[str] | None) -> list[str]:
    known = in_order(cells["label"].unique())
    shown = known if labels is None else list(labels)
    if not shown or len(set(shown)) < len(shown) or not set(shown) <= set(known):
        raise ValueError(f"labels must be distinct ones of {', '.join(known)}, but got {shown}")
    return shown


def _columns(panels: int) -> int:
    return 3 if panels in (5, 6, 9) else min(panels, 4)


def _legend_columns(panels: int) -> int:
    # the longest entry is as wide as a panel and a half
    return max(1, _columns(panels) - 1)


def _small_multiples(panels: int, levels: int, entries: int) -> tuple[Figure, list[Axes]]:
    columns = _columns(panels)
    rows = -(-panels // columns)
    legend = 0.18 * -(-entries // _legend_columns(panels))
    # a single row is taller, so that the label of the colour bar fits beside it
    height = rows * (0.75 + 0.27 * min(max(levels, 3), 8)) + legend + (0.9 if rows == 1 else 0.3)
    width = COLUMN_WIDTH if columns == 1 else PAGE_WIDTH
    fig = Figure(figsize=(width, height), layout="constrained")
    return fig, [fig.add_subplot(rows, columns, index + 1) for index in range(panels)]


def _title(label: str, mark: str) -> str:
    name, bracket, variations = label.partition("(")
    text = textwrap.fill(bracket + variations, 24, break_long_words=False) if variations else ""
    return f"{name}{mark}" + (f"\n{text}" if text else "")


def _legend(panels: list[Panel], near: str, *, noted: bool) -> list[Artist]:
    diverged = np.concatenate([panel.diverged.ravel() for panel in panels])
    handles: list[Artist] = [
        Line2D([], [], label="best cell (by validation)", **_STAR),
        Patch(facecolor="none", edgecolor="black", linewidth=1.2, label=near),
    ]
    if ((diverged > 0) & (diverged < 1)).any():
        handles.append(
            Patch(facecolor="white", edgecolor="black", hatch=_SOME, linewidth=0, label="some seeds diverged")
        )
    if (diverged >= 1).any():
        handles.append(Patch(**_LOST, label="all seeds diverged"))
    if np.isnan(diverged).any():
        handles.append(Patch(facecolor="white", edgecolor="0.7", linewidth=0.6, label="no result"))
    if noted:
        handles.append(footnote_entry())
    return handles
