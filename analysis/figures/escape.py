"""Escape from a basin over a hyperparameter: the share of runs that left it, or the time that it took them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.styles import styles
from analysis.labels import in_order


def draw_escape(table: pd.DataFrame, *, x: str, y: str = "share", ax: Axes) -> Axes:
    """Draw the share or the escape time, with intervals, over a column on a logarithmic axis, a line per label.

    Groups without an escape have no time; an arrow upwards marks their lower bound.

    Args:
        table: Output of `escape_table` with label and `x` among its columns.
        x: A column, such as lr, or a curvature ratio that the caller added.
        y: 'share' or 'time'.
        ax: Where to draw.

    Raises:
        ValueError: `y` is neither.
    """
    if y not in ("share", "time"):
        raise ValueError(f"y must be share or time, but got {y!r}")
    looks = styles(in_order(map(str, table["label"].unique())))
    for label, style in looks.items():
        rows = table[table["label"] == label]
        shown = rows[np.isfinite(rows[y])].sort_values(x)
        below, above = shown[y] - shown[f"{y}_low"], shown[f"{y}_high"] - shown[y]
        look: dict[str, Any] = {"color": style.colour, "marker": style.marker, "linestyle": style.dash}
        look |= {"markersize": 3.5, "linewidth": 1, "capsize": 2, "label": label}
        ax.errorbar(shown[x], shown[y], yerr=np.array([below, above]), **look)
        never = rows[~np.isfinite(rows[y])]
        if len(never):
            ax.plot(never[x], never[f"{y}_low"], "^", mfc="none", color=style.colour)
    ax.set_xscale("log")
    if y == "time":
        ax.set_yscale("log")
    ax.set_ylabel("share of runs in the flat basin" if y == "share" else "mean escape time (epochs)")
    return ax
