"""How labels are told apart, by colour, marker and dash, so that greyscale suffices; scores, axes and legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.theme import COLUMN_WIDTH
from analysis.labels import DAGGER, FOOTNOTE, dagger, in_order
from analysis.measures import MEASURES, Measure, measure
from analysis.task_metric import LEVELS, TaskMetric, named_metrics

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/) without yellow, which is too light for lines; neighbours
# differ in lightness
PALETTE = ("#0072B2", "#E69F00", "#000000", "#D55E00", "#56B4E9", "#009E73", "#CC79A7")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
COLOURS = "viridis"
"""The colour map of everything that is a number."""

DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)), (0, (7, 2)))

LEGEND_LOOK: dict[str, Any] = {
    "fontsize": "small", "frameon": False, "handlelength": 2.4, "columnspacing": 1.2, "labelspacing": 0.4,
}  # fmt: skip
LEGEND_ROW = 0.145
"""Height of a legend's row in inches."""


class Style(NamedTuple):
    """What a label looks like."""

    colour: str
    marker: str
    dash: Any


def styles(labels: Sequence[str]) -> dict[str, Style]:
    """Give every label a style of its own, by its position; the first 63 differ in colour or marker."""
    return {
        label: Style(
            PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)], DASHES[index % len(DASHES)]
        )
        for index, label in enumerate(labels)
    }


def shown_names(table: pd.DataFrame) -> dict[str, str]:
    """Return the names of a table's labels in figures, in order: the labels, with a dagger on reimplementations.

    Args:
        table: Has the columns label and optimizer.
    """
    optimizers = table.drop_duplicates("label").set_index("label")["optimizer"].astype("str").to_dict()
    return {label: f"{label}{dagger(optimizers[label])}" for label in in_order(map(str, optimizers))}


def one_task(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of one task as it is.

    Raises:
        ValueError: It has no row, or several tasks.
    """
    tasks = sorted(table["task"].unique())
    if len(tasks) != 1:
        content = f"has {', '.join(map(str, tasks))}" if tasks else "has no row"
        raise ValueError(f"a figure shows one task, but the table {content}")
    return table


def column_of(table: pd.DataFrame, name: str) -> str:
    """Return where a table has the values that are called `name` by error: there, or in the metric's column.

    Examples:
        >>> column_of(pd.DataFrame({"label": ["adamw"], "test_metric": [0.5]}), "test_error")
        'test_metric'
    """
    return name if name in table.columns else LEVELS.get(name, name)


def measure_in(table: pd.DataFrame, name: str) -> Measure | None:
    """Return how a column is shown, in the metric that the table names; None for a column that is no measure."""
    if name not in MEASURES:
        return None
    kinds = named_metrics(table).drop_duplicates()
    return measure(name, TaskMetric(*kinds.iloc[0]) if len(kinds) == 1 else None)


def score_name(table: pd.DataFrame, name: str) -> str:
    """Return the name of a score on an axis; columns that are no measure keep their names."""
    known = measure_in(table, name)
    return name if known is None else known.axis


def shown(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column, or the end of its interval, in the units of its axis."""
    known = measure_in(table, name.removesuffix("_low").removesuffix("_high"))
    factor = 1.0 if known is None else known.factor
    return factor * table[name].to_numpy(dtype=float, na_value=np.nan)


def spread(table: pd.DataFrame, name: str) -> np.ndarray:
    """Return how far a score's interval reaches below and above it, `[2, N]`; 0 where there is none."""
    if f"{name}_low" not in table.columns:
        return np.zeros((2, len(table)))
    middle = shown(table, name)
    reach = np.array([middle - shown(table, f"{name}_low"), shown(table, f"{name}_high") - middle])
    return np.nan_to_num(reach, nan=0.0)


def is_reversed(table: pd.DataFrame, name: str) -> bool:
    """Say whether a column is of the task's metric and larger values are better, unlike those of an error."""
    known = measure_in(table, name)
    return name in LEVELS.values() and known is not None and known.best == "max"


def score_axes(ax: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    """Name the axes of two scores; one of `is_reversed` runs backwards, so that better is left and below for all."""
    for axis, name, side in (("x", x, "left"), ("y", y, "below")):
        text = score_name(table, name)
        if is_reversed(table, name):
            text += f", better: {side}"
            ax.xaxis.set_inverted(True) if axis == "x" else ax.yaxis.set_inverted(True)
        ax.set(**{f"{axis}label": text})


def in_front_order(table: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """Sort the points of a front from the best x on, as the steps between them are drawn."""
    return table.sort_values([x, y], ascending=[not is_reversed(table, x), True])


def value_limits(values: np.ndarray, *, percent: bool) -> tuple[float, float]:
    """Return the ends of an axis of values.

    It begins at 0 where values are percentages, or lie no farther from 0 than from each other.

    Args:
        values: In the unit of the axis; NaN where there is none.
        percent: Whether that is %.
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0 and (percent or low <= high - low):
        return 0.0, 1.06 * high
    margin = 0.06 * (high - low or abs(high))
    return low - margin, high + margin


def axes_for(ax: Axes | None, *, width: float = COLUMN_WIDTH, height: float = 2.1) -> Axes:
    """Return `ax`, or the axes of a new figure without a window; sizes are in inches."""
    return ax if ax is not None else Figure(figsize=(width, height), layout="constrained").add_subplot()


def draw_band(
    ax: Axes, style: Style, x: np.ndarray, middle: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    """Draw a line with markers, and its interval as a band; no band where there is no interval."""
    ax.plot(
        x,
        middle,
        color=style.colour,
        marker=style.marker,
        linestyle=style.dash,
        markersize=3.5,
        linewidth=1.1,
    )
    ax.fill_between(x, low, high, color=style.colour, alpha=0.15, linewidth=0)


def handle(style: Style, name: str) -> Line2D:
    """Return the legend's entry of a label."""
    return Line2D(
        [],
        [],
        color=style.colour,
        marker=style.marker,
        linestyle=style.dash,
        markersize=4,
        linewidth=1.1,
        label=name,
    )


def add_legend(ax: Axes, handles: Sequence[Artist], *, own: bool) -> None:
    """Put a legend above a figure of its own, or else inside the axes, and explain the dagger where there is one.

    Args:
        ax: The axes.
        handles: The entries.
        own: Whether the figure was made for these axes.
    """
    texts = [str(entry.get_label()) for entry in handles]
    marked = any(DAGGER in text for text in (*texts, *(tick.get_text() for tick in ax.get_yticklabels())))
    look = LEGEND_LOOK
    if not own:
        ax.legend(handles=[*handles, *([footnote_entry()] if marked else [])], **look)
        return
    figure = ax.figure
    assert isinstance(figure, Figure)
    # about 22 letters an inch at this size, and the width of a handle
    columns = max(1, min(4, int(figure.get_figwidth() / (0.55 + max(map(len, texts)) / 22))))
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * -(-len(texts) // columns))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, **look)
    if marked:
        add_footnote(figure)


def footnote_entry() -> Line2D:
    """Return the legend's entry that explains the dagger."""
    return Line2D([], [], linestyle="none", marker=f"${DAGGER}$", color="black", label=FOOTNOTE)


def add_footnote(figure: Figure) -> None:
    """Explain the dagger below a figure."""
    figure.supxlabel(f"{DAGGER} {FOOTNOTE}", fontsize="small", color="0.35")


def decades(ax: Axes, axis: str, values: Sequence[float], most: int = 5) -> None:
    """Make an axis logarithmic, with powers of ten on it and no minor ticks.

    Args:
        ax: The axes.
        axis: 'x' or 'y'.
        values: The positive values on it.
        most: The largest number of ticks.
    """
    ticks = decade_ticks(values, most)
    ax.set(**{f"{axis}scale": "log"})
    line = ax.xaxis if axis == "x" else ax.yaxis
    line.set_ticks(ticks, [power_of_ten(tick) for tick in ticks])
    line.set_ticks([], minor=True)


def power_of_ten(value: float) -> str:
    """Write a value as a power of ten where it is one, in matplotlib's mathematical text.

    1e-4 becomes `10^{-4}`, half a decade `10^{-3.5}`, 0 and numbers from 1 to 10 stay as they are, 2e-4 becomes
    `2 x 10^{-4}` and null becomes `none`.
    """
    if np.isnan(value):
        return "none"
    if value == 0:
        return "0"
    exponent = float(np.log10(value))
    half = round(2 * exponent) / 2
    if abs(exponent - half) < 1e-3:
        return f"$10^{{{half:g}}}$" if half else "1"
    power = int(np.floor(exponent))
    if power == 0:
        return f"{value:.3g}"
    return rf"${value / 10.0**power:.3g}\times10^{{{power}}}$"


def decade_ticks(values: Sequence[float], most: int = 5) -> list[float]:
    """Choose the values to label on a logarithmic axis.

    Args:
        values: The positive values on the axis.
        most: The largest number of ticks.

    Returns:
        Whole powers of ten between the smallest and the largest value, every second or third where there are
        more than `most`; where fewer than two fit in, the values themselves, thinned likewise.
    """
    exponents = np.log10(np.sort(np.asarray(values, dtype=float)))
    whole = np.arange(np.ceil(exponents[0] - 1e-6), np.floor(exponents[-1] + 1e-6) + 1)
    ticks = whole if len(whole) >= 2 else exponents
    step = -(-len(ticks) // most)
    return [float(10.0**exponent) for exponent in ticks[::step]]


def midpoint_edges(centres: np.ndarray) -> np.ndarray:
    """Return the edges of cells that meet halfway between sorted centres; a single cell is 0.5 wide."""
    if len(centres) == 1:
        return centres[0] + np.array([-0.25, 0.25])
    middle = (centres[:-1] + centres[1:]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
