"""How figures look on paper, in one place; nothing is changed until an entry point asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

RC: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.7,
    "figure.dpi": 120.0,
    "savefig.dpi": 200.0,
    # TrueType instead of Type 3, which many journals refuse
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}
"""The settings of matplotlib that `use_theme` and `set_theme` make."""


def set_theme() -> None:
    """Make the settings of `RC` for the rest of the session, as at the top of a notebook."""
    mpl.rcParams.update(RC)


@contextmanager
def use_theme() -> Iterator[None]:
    """Make the settings of `RC` within a `with` block.

    Examples:
        >>> with use_theme():
        ...     figure = Figure()
    """
    with mpl.rc_context(RC):
        yield


def save_figure(fig: Figure, stem: str | Path) -> list[Path]:
    """Write a figure as PNG and as PDF with embedded fonts, and make the folder if there is none.

    Args:
        fig: The figure.
        stem: The path without its suffix; dots in it are kept, so 'mixing=0.5' is a fine name.

    Returns:
        The two paths written.
    """
    paths = [Path(f"{stem}{suffix}") for suffix in (".png", ".pdf")]
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    with use_theme():
        fig.savefig(paths[0])
        # without a date the same figure gives the same file
        fig.savefig(paths[1], metadata={"CreationDate": None})
    return paths
