"""Performance profiles over workloads."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.styles import add_legend, axes_for, handle, styles

RATIOS = {
    True: "test error / best test error of the workload",
    False: "best gain on knowing nothing / own gain (test)",
}
"""What the ratios are of: errors, or what was gained on knowing nothing (see `analysis.performance_profile`)."""


def profile_curves(
    profile: pd.DataFrame, names: dict[str, str], *, errors: bool = True, ax: Axes | None = None
) -> Axes:
    """Draw performance profiles: the share of the workloads within a factor of the best.

    Args:
        profile: Output of `analysis.performance_profile`.
        names: How the figure names the labels, in this order.
        errors: Whether ratios are of test errors, as where all workloads are judged by them, or of gains.
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
        xlabel=RATIOS[errors],
        ylabel="share of the workloads",
        ylim=(-0.03, 1.03),
    )
    add_legend(ax, [handle(looks[label], names[label]) for label in names], own=own)
    return ax
