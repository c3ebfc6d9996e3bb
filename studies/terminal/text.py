"""How lines, numbers and tables look on a terminal."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from robustness.training import Engine

logger = logging.getLogger("studies")

WIDTH_OFF_SCREEN = 120


def console(*, error: bool = False) -> Console:
    """Return the console that the command prints on; wide enough for the tables when it is not a terminal."""
    made = Console(stderr=error)
    if not made.is_terminal:
        made = Console(stderr=error, width=WIDTH_OFF_SCREEN)
    return made


def say(console: Console, text: str) -> None:
    """Print a line of plain text, as it is."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def notices(console: Console) -> Callable[[str], None]:
    """Return what tells the user, and the log, something that turns up while trials run."""

    def notice(text: str) -> None:
        logger.warning(text)
        say(console, text)

    return notice


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table: text to the left, numbers to the right."""
    rows = [tuple(row) for row in rows]
    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        numeric = any(not isinstance(row[index], str) for row in rows)
        made.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, str) else f"{cell:g}" for cell in row))
    return made


def number(value: float, digits: int) -> str:
    """Return a number with so many decimals, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def interval(middle: float, low: float, high: float, digits: int, scale: float = 1.0) -> str:
    """Return ``middle`` with half the width of its interval, where it has one, both multiplied by ``scale``."""
    half = (high - low) / 2
    spread = "" if math.isnan(half) else f" ± {number(half * scale, digits)}"
    return number(middle * scale, digits) + spread


def engine_text(engine: Engine) -> str:
    """Say which engine was chosen, and by what measurement."""
    size = f", up to {engine.pack_size} trials at once" if engine.name == "fused" else ""
    compiling = ", compiled" if engine.compile else ""
    measured = ", ".join(f"{name} {1e3 * seconds:.3g}" for name, seconds in engine.measured.items())
    reason = f"; {engine.reason}" if engine.reason else ""
    return (
        f"{engine.name}{size}{compiling} (measured, ms a step of one model, evaluations with it: {measured}"
        f"{reason})"
    )


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
