"""The exponent plane: one update rule `m / (v^p G^q + eps)`, and the optimizers that are points and lines of it.

Multiplying the gradient by `c` multiplies the update by `c^(1 - 2 (p + q))`: it changes nothing on the line
`p + q = 1/2`, and nowhere else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from scipy.spatial import cKDTree

from analysis.figures.styles import COLOURS, axes_for, is_reversed, score_name, shown
from analysis.labels import DAGGER

NAMED: dict[str, tuple[float, float]] = {
    "AdamW": (0.5, 0.0),
    "momentum SGD": (0.0, 0.0),
    "normalized SGD": (0.0, 0.5),
    "InvAdam": (-0.5, 0.0),
}
"""Optimizers that are points (p, q); Ada2MS is the line from normalized momentum SGD to AdamW, SMES is q = 0."""

_HALO = [patheffects.withStroke(linewidth=2.0, foreground="white")]
_PIXELS = 240


def nearest_scores(
    points: pd.DataFrame, *, x: str, y: str, score: str, box: tuple[float, float, float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give every pixel of a box the score of the nearest point; distances are in units of the box's sides.

    Nothing is interpolated: between points, no score is known.

    Args:
        points: One row per point, with the columns x, y and score.
        x: A numeric hyperparameter.
        y: Another.
        score: What to show.
        box: The smallest and largest x, then the smallest and largest y.

    Returns:
        The edges of pixels along x and along y, and the scores `[y, x]`.
    """
    left, right, bottom, top = box
    scale = np.array([right - left, top - bottom])
    edges = [np.linspace(left, right, _PIXELS + 1), np.linspace(bottom, top, _PIXELS + 1)]
    middles = [(ends[:-1] + ends[1:]) / 2 for ends in edges]
    pixels = np.stack(np.meshgrid(*middles), axis=-1) / scale
    _, nearest = cKDTree(points[[x, y]].to_numpy(dtype=float) / scale).query(pixels)
    return edges[0], edges[1], shown(points, score)[nearest]


def plane(points: pd.DataFrame, *, score: str, x: str = "p", y: str = "q", ax: Axes | None = None) -> Axes:
    """Draw a score over the exponent plane, with the named optimizers and the line p + q = 1/2.

    Every pixel has the colour of the nearest point that was tried; dots are the points.

    Args:
        points: One row per point, with the columns x, y and score, and metric, unit and direction where the score
            is of a metric.
        score: What to show.
        x: The exponent of the elementwise second moment.
        y: The exponent of the global one.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes.

    Raises:
        ValueError: There is no point with a score.
    """
    known = points[points[score].notna()]
    if known.empty:
        raise ValueError(f"points must have at least one with a value of {score!r}, but has none")
    ax = axes_for(ax, width=4.0, height=3.2)
    box = _box(known, x, y)
    # whatever the metric, dark is better
    colours = f"{COLOURS}_r" if is_reversed(known, score) else COLOURS
    mesh = ax.pcolormesh(
        *nearest_scores(known, x=x, y=y, score=score, box=box), cmap=colours, rasterized=True
    )
    ax.figure.colorbar(mesh, ax=ax, label=score_name(known, score), aspect=30, pad=0.02)
    ax.scatter(known[x], known[y], s=5, color="white", edgecolors="black", linewidths=0.4, zorder=3)
    ends = np.array([box[0] - 1, box[1] + 1])
    ax.plot(
        ends,
        0.5 - ends,
        color="black",
        linestyle="--",
        linewidth=1.0,
        path_effects=_HALO,
        label="p + q = 1/2",
    )
    ax.legend(loc="upper right", fontsize="x-small", framealpha=0.9)
    text: dict[str, Any] = {"fontsize": "x-small", "path_effects": _HALO, "zorder": 5}
    for name, (at_x, at_y) in NAMED.items():
        if box[0] <= at_x <= box[1] and box[2] <= at_y <= box[3]:
            ax.scatter([at_x], [at_y], marker="*", s=60, color="white", edgecolors="black", zorder=4)
            ax.annotate(name, (at_x, at_y), textcoords="offset points", **_beside(at_x, at_y, box), **text)
    if box[0] < 0.25 < box[1] and box[2] < 0.25 < box[3]:
        ax.annotate(f"Ada2MS{DAGGER}", (0.25, 0.25), xytext=(3, 3), textcoords="offset points", **text)
    ax.set(xlim=box[:2], ylim=box[2:], xlabel=f"{x}: elementwise exponent", ylabel=f"{y}: global exponent")
    return ax


def _beside(x: float, y: float, box: tuple[float, float, float, float]) -> dict[str, Any]:
    """Put a name above its marker, or below it at the top of the box, and inside the box at its sides."""
    across, up = (x - box[0]) / (box[1] - box[0]), (y - box[2]) / (box[3] - box[2])
    side = "left" if across < 0.15 else "right" if across > 0.85 else "center"
    look = {"xytext": (0, -5), "va": "top"} if up > 0.85 else {"xytext": (0, 5), "va": "bottom"}
    return look | {"ha": side}


def _box(points: pd.DataFrame, x: str, y: str) -> tuple[float, float, float, float]:
    """Return the box of the points, with a margin, so that markers on its edges can be seen."""
    sides: list[float] = []
    for name in (x, y):
        low, high = float(points[name].min()), float(points[name].max())
        margin = 0.06 * (high - low) or 0.1
        sides += [low - margin, high + margin]
    return sides[0], sides[1], sides[2], sides[3]
