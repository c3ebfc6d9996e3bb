"""Performance profiles over workloads."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.styles import add_legend, axes_for, handle, styles


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
