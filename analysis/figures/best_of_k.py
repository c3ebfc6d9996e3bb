"""Best of k: the test error, or the task's metric on test, to expect from a tuning budget."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.styles import (
    add_legend,
    axes_for,
    column_of,
    draw_band,
    handle,
    one_task,
    score_name,
    shown,
    shown_names,
    styles,
    value_limits,
)


def best_of_k_curves(table: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the test error, or the task's metric on test, to expect from k runs, with 95 % intervals as bands.

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
    value = column_of(table, "test_error")
    name = score_name(table, value)
    for label, style in looks.items():
        curve = table[table["label"] == label].sort_values("k")
        values = curve.rename(columns={"low": f"{value}_low", "high": f"{value}_high"})
        parts = [shown(values, f"{value}{end}") for end in ("", "_low", "_high")]
        draw_band(ax, style, curve["k"].to_numpy(dtype=float), *parts)
    doublings = 2 ** np.arange(int(np.log2(table["k"].max())) + 1)
    for line in ax.lines:
        line.set_markevery([int(k) - 1 for k in doublings if k <= np.size(line.get_xdata())])
    ax.set_xscale("log", base=2)
    ax.set_xticks(doublings, [str(k) for k in doublings])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="budget k (runs of different cells)", ylabel=f"expected {name}")
    if value == "test_error":
        ax.set_ylim(0, max(1.0, 108 * float(table[value].max())))
    else:
        ax.set_ylim(value_limits(shown(table, value), percent=name.endswith("(%)")))
    add_legend(ax, [handle(looks[label], names[label]) for label in names], own=own)
    return ax
