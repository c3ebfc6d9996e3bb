"""How figures look, in one place; no setting of matplotlib changes until an entry point asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

COLUMN_WIDTH, PAGE_WIDTH = 3.3, 6.9
"""Widths of figures in inches: one column of a two-column paper, and both."""

_PAPER: dict[Any, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.7,
    "figure.dpi": 120.0,
    "savefig.dpi": 300.0,
    # TrueType instead of Type 3, which many journals refuse
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    # letters as outlines: the file looks the same whatever fonts its reader has
    "svg.fonttype": "path",
    # without a fixed salt, the ids in a figure's file differ each time it is written
    "svg.hashsalt": "robustness",
}

THEMES: dict[str, dict[Any, Any]] = {"paper": _PAPER, "screen": _PAPER | {"figure.dpi": 200.0}}
"""The settings of matplotlib by theme; on the screen the same layout is larger."""

FORMATS = ("png", "pdf", "svg")
"""What `save_figure` can write."""

# a date would make the same figure a different file every day
_METADATA: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


def set_theme(name: str = "paper") -> None:
    """Apply a theme for the rest of the session, as at the top of a notebook.

    Args:
        name: One of `THEMES`.

    Raises:
        ValueError: There is no such theme.
    """
    mpl.rcParams.update(_theme(name))


@contextmanager
def use_theme(name: str = "paper") -> Iterator[None]:
    """Apply a theme within a `with` block.

    Args:
        name: One of `THEMES`.

    Raises:
        ValueError: There is no such theme.

    Examples:
        >>> with use_theme("screen"):
        ...     figure = Figure()
    """
    with mpl.rc_context(_theme(name)):
        yield


def save_figure(fig: Figure, stem: str | Path, formats: Sequence[str] = ("png", "pdf")) -> list[Path]:
    """Write a figure for a paper, with embedded fonts, and make the folder if there is none.

    Args:
        fig: The figure.
        stem: The path without its suffix; dots in it are kept, so 'mixing=0.5' is a fine name.
        formats: Some of `FORMATS`.

    Returns:
        The paths written, in the order of `formats`.

    Raises:
        ValueError: A format is none of `FORMATS`.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise ValueError(f"formats must be among {', '.join(FORMATS)}, but got {unknown[0]!r}")
    paths = [Path(f"{stem}.{name}") for name in formats]
    with use_theme():
        for path, name in zip(paths, formats, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            fig.savefig(path, metadata=_METADATA.get(name))
    return paths


def _theme(name: str) -> dict[Any, Any]:
    if name not in THEMES:
        raise ValueError(f"name must be one of {', '.join(THEMES)}, but got {name!r}")
    return THEMES[name]
