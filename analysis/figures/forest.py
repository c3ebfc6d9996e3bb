"""The forest plot of differences against margins: the verdict in one figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from seaborn import despine

from analysis.figures.styles import add_legend, axes_for
from analysis.figures.theme import PAGE_WIDTH
from analysis.judgement.endpoints import Scale, scale_of
from analysis.judgement.noninferiority import DEFAULT_GENERALIZATION, MarginInForce
from analysis.judgement.verdict import Verdict
from analysis.task_metric import ERROR

FAR = 8.0
"""The axis ends at most this many declared margins from 0; intervals that go on have an arrow there."""

_KEPT, _LOST, _OPEN = "#0072B2", "#D55E00", "0.35"
_LOOKS: dict[str, dict[str, Any]] = {
    "kept": {"color": _KEPT, "marker": "o"},
    "not kept": {"color": _LOST, "marker": "X"},
    "inconclusive": {"color": _OPEN, "marker": "D", "markerfacecolor": "white"},
    "not testable": {"color": "0.6", "marker": "s", "markerfacecolor": "white"},
    "invalid": {"color": "0.6", "marker": "s", "markerfacecolor": "white"},
}
FOREST_COLUMNS = [
    "candidate", "conclusion", "part", "endpoint", "reference", "estimate", "low", "high", "margin",
    "declared", "decision", "level", "at", "at_low", "at_high", "at_margin",
]  # fmt: skip


def forest_rows(verdicts: Mapping[str, Verdict]) -> pd.DataFrame:
    """Lay out the parts of verdicts for the forest plot.

    Args:
        verdicts: Output of `analysis.verdicts`, or verdicts by the candidate's label.

    Returns:
        One row per candidate and part, in their order, with the columns candidate, conclusion, part (R1, R2,
        G), endpoint, reference, estimate, low, high, margin (in force), declared, decision, level (of the
        interval), and at, at_low, at_high and at_margin: estimate, low, high and margin divided by the declared
        margin, so that endpoints of different units share an axis.
    """
    parts = []
    for name, verdict in verdicts.items():
        part = verdict.parts.reset_index()
        part = part.assign(candidate=name, conclusion=verdict.conclusion, level=1 - 2 * verdict.alpha)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    for name, value in (("at", "estimate"), ("at_low", "low"), ("at_high", "high"), ("at_margin", "margin")):
        table[name] = table[value] / table["declared"]
    return table[FOREST_COLUMNS]


BY_ERROR = MarginInForce(DEFAULT_GENERALIZATION, ERROR, in_shares=False)
"""The margin of E by which differences are shown unless another one is given: in percentage points of test error."""


def forest(
    rows: pd.DataFrame,
    names: Mapping[str, str],
    *,
    generalization: MarginInForce = BY_ERROR,
    ax: Axes | None = None,
) -> Axes:
    """Draw the difference of every part from its reference, with its interval, against the margin.

    A part is kept where its interval ends left of the margin in force, a vertical bar, and not kept where it begins
    right of it. Differences are in units of the declared margin; the text beside them has their own units.

    Args:
        rows: Output of `forest_rows`.
        names: How the figure names the candidates.
        generalization: The verdicts' margin of E, which says how E is called and its differences are shown.
        ax: Where to draw; None makes a figure.

    Returns:
        The axes; a candidate's name and conclusion stand above its parts.
    """
    lines = len(rows) + rows["candidate"].nunique()
    own, ax = ax is None, axes_for(ax, width=PAGE_WIDTH, height=0.7 + 0.22 * lines)
    left = max(-FAR, 1.15 * float(np.nanmin(rows["at_low"], initial=-0.6)))
    right = min(FAR, 1.15 * float(np.nanmax(rows["at_high"], initial=1.4)))
    ax.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    ax.axvline(1, color="black", linewidth=0.9, linestyle=(0, (4, 2)), zorder=0)
    scales = {endpoint: scale_of(endpoint, generalization) for endpoint in rows["endpoint"].unique()}
    ticks: list[tuple[int, str]] = []
    for candidate, parts in rows.groupby("candidate", sort=False):
        ticks.append((len(ticks), f"{names[str(candidate)]}: {parts['conclusion'].iloc[0]}"))
        for _, row in parts.iterrows():
            scale = scales[row["endpoint"]]
            _draw_part(ax, row, len(ticks), (left, right), scale)
            ticks.append((len(ticks), f"{scale.name}, against {row['reference']}"))
    ax.set_yticks([height for height, _ in ticks], [text for _, text in ticks])
    for text in ax.get_yticklabels():
        text.set_fontweight("bold" if ": " in text.get_text() else "normal")
    ax.tick_params(axis="y", length=0, pad=7)
    despine(ax=ax, left=True)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.set(xlim=(left, right), ylim=(lines - 0.4, -0.6))
    mirrored = any(scale.mirrored for scale in scales.values())
    what = "difference from the reference" if mirrored else "candidate − reference"
    ax.set_xlabel(f"{what}, in declared margins (right: worse)")
    add_legend(ax, _entries(rows), own=own)
    return ax


def _draw_part(ax: Axes, row: pd.Series, height: int, ends: tuple[float, float], scale: Scale) -> None:
    """Draw one part's interval, estimate and margin, with the numbers on their right."""
    look = _LOOKS[row["decision"]]
    left, right = ends
    low, high = np.clip([row["at_low"], row["at_high"]], left, right)
    ax.plot([low, high], [height, height], color=look["color"], linewidth=1.3, zorder=2)
    for cut, at, marker in ((row["at_low"] < left, left, "<"), (row["at_high"] > right, right, ">")):
        if cut:
            ax.plot([at], [height], color=look["color"], marker=marker, markersize=5, clip_on=False, zorder=3)
    if left <= row["at"] <= right:
        ax.plot([row["at"]], [height], linestyle="none", markersize=5.5, zorder=4, **look)
    if np.isfinite(row["at_margin"]):
        ax.plot(
            [row["at_margin"]] * 2, [height - 0.36, height + 0.36], color="black", linewidth=2.2, zorder=3
        )
    text: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
    text |= {"va": "center", "ha": "left", "fontsize": "small"}
    ax.annotate(row["decision"], (1.0, height), xytext=(9, 0), **text)
    ax.annotate(_numbers(row, scale), (1.0, height), xytext=(57, 0), **text)


def _numbers(row: pd.Series, scale: Scale) -> str:
    """Write the estimate with its interval in its unit; what is worse is positive."""
    if not np.isfinite(row["estimate"]):
        return "no values"
    factor, digits = scale.factor, scale.digits
    unit = scale.unit.replace("percentage points", "pp").replace("D_w", "$D_w$")
    # what is rounded to 0 has no minus sign
    rounded = (round(factor * row[name], digits) + 0.0 for name in ("estimate", "low", "high"))
    estimate, low, high = (f"{value:+.{digits}f}" for value in rounded)
    margin = f", margin {factor * row['margin']:.{digits}f}" if np.isfinite(row["margin"]) else ""
    return f"{estimate} [{low}, {high}]{unit}{margin}".replace("-", "−")


def _entries(rows: pd.DataFrame) -> list[Line2D]:
    entries = [
        Line2D([], [], linewidth=1.3, markersize=5.5, label=decision, **_LOOKS[decision])
        for decision in _LOOKS
        if decision in set(rows["decision"])
    ]
    entries[0].set_label(f"{entries[0].get_label()} ({100 * rows['level'].iloc[0]:g} % interval)")
    entries.append(
        Line2D([], [], color="black", linewidth=0.9, linestyle=(0, (4, 2)), label="declared margin")
    )
    if rows["margin"].notna().any():
        look: dict[str, Any] = {"marker": "|", "markersize": 9, "markeredgewidth": 2.2}
        entries.append(Line2D([], [], color="black", linestyle="none", label="margin in force", **look))
    return entries
