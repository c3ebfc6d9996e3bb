"""Where elementwise and global second moments disagree, layer by layer: a panel per label."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from analysis.figures.styles import COLOURS
from analysis.figures.theme import COLUMN_WIDTH, PAGE_WIDTH
from analysis.labels import DAGGER, ORIGIN, any_reimplemented, dagger


def distortion_grid(table: pd.DataFrame) -> Figure:
    """Draw the output of `distortion` of one task, a panel per label: bars from the 5 to the 95 % quantile.

    The vertical line at 0 is the global moment. Within a layer, epochs lie below one another, later ones darker.

    Args:
        table: Output of `analysis.distortion` for one task.

    Raises:
        ValueError: There is nothing to draw, or there are several tasks.
    """
    if table["task"].nunique() != 1:
        raise ValueError(f"table must have one task, but has {sorted(table['task'].unique())}")
    labels, layers = sorted(table["label"].unique()), list(pd.unique(table["layer"]))
    epochs = sorted(table["epoch"].unique())
    columns = min(3, len(labels))
    rows = math.ceil(len(labels) / columns)
    height = 0.9 + rows * (0.5 + 0.12 * len(layers) * (1 + len(epochs)))
    figure = Figure(figsize=(COLUMN_WIDTH if columns == 1 else PAGE_WIDTH, height), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax in axes[len(labels) :]:
        ax.remove()
    handles = []
    for ax, label in zip(axes, labels, strict=False):
        ax.axvline(0, color="0.4", linewidth=0.8, linestyle="--")
        for index, epoch in enumerate(epochs):
            part = table[(table["label"] == label) & (table["epoch"] == epoch)].set_index("layer")
            part = part.reindex(layers)
            shift = (index - (len(epochs) - 1) / 2) * 0.8 / len(epochs)
            heights = [layer + shift for layer in range(len(layers))]
            shade = 0.85 - 0.85 * (index + 1) / len(epochs) if len(epochs) > 1 else 0.2
            colour = colormaps[COLOURS](shade)
            ax.hlines(heights, part["low"], part["high"], color=colour, linewidth=2.0)
            dots = ax.plot(part["median"], heights, "o", color=colour, markersize=3, label=f"epoch {epoch}")
            if label == labels[0]:
                handles += dots
        ax.set_yticks(range(len(layers)), layers)
        ax.tick_params(labelsize="small")
        ax.set_title(f"{label}{dagger(label)}", fontsize="small")
    axes[0].invert_yaxis()
    for ax in axes[: len(labels)][-columns:]:  # those with no panel below
        ax.tick_params(labelbottom=True)
    figure.supxlabel(r"$\log_{10} v - \log_{10} G$ (5, 50, 95 %)", fontsize="medium")
    names = [str(handle.get_label()) for handle in handles]
    if any_reimplemented(labels):
        names[-1] += f"   {DAGGER} {ORIGIN}"
    figure.legend(
        handles, names, loc="outside upper center", ncols=len(handles), fontsize="small", frameon=False
    )
    return figure
