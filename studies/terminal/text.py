"""How lines, numbers and tables look on a terminal."""

from __future__ import annotations

import codecs
import io
import logging
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from analysis.task_metric import ERROR, TaskMetric

if TYPE_CHECKING:
    from robustness.training import Engine

logger = logging.getLogger("studies")

WIDTH_OFF_SCREEN = 120

PLAIN = {"±": "+-", "–": "-", "…": "...", "·": ".", "†": "*", "✓": "x", "η": "eta", "²": "2", "Φ": "Phi"}
"""What stands for a character that a terminal's encoding does not have; for any other one, a question mark."""


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Stand in for characters that cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in text), error.end


codecs.register_error("robustness-plain", _plain)


def console(*, error: bool = False) -> Console:
    """Return the console that the command prints on; where it is no terminal, it is wide enough for the tables.

    Characters that its encoding does not have fall back to plain ones.
    """
    stream = sys.stderr if error else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="robustness-plain")
    screen = Console(stderr=error)
    return screen if screen.is_terminal else Console(stderr=error, width=WIDTH_OFF_SCREEN)


def say(console: Console, text: str) -> None:
    """Print a line of plain text, as it is."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def tell(console: Console, lines: Iterable[str]) -> None:
    """Print lines of plain text, and log them."""
    for line in lines:
        say(console, line)
        logger.info("%s", line)


def notices(console: Console) -> Callable[[str], None]:
    """Return a function that tells the user, and the log, what turns up while trials run, such as a missing node."""

    def notice(text: str) -> None:
        logger.warning(text)
        say(console, text)

    return notice


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table with its texts aligned to the left and its numbers to the right."""
    rows = [tuple(row) for row in rows]
    grid = Table(box=SIMPLE_HEAD, pad_edge=False)
    for index, name in enumerate(header):
        numeric = any(not isinstance(row[index], str) for row in rows)
        grid.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(cell if isinstance(cell, str) else f"{cell:g}" for cell in row))
    return grid


def number(value: float, digits: int) -> str:
    """Return a number with so many decimals, or a dash for NaN."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def interval(middle: float, low: float, high: float, digits: int, scale: float = 1.0) -> str:
    """Return ``middle ± half the width``, both multiplied by ``scale``; no ± where the interval is NaN."""
    return with_half(middle * scale, (high - low) / 2 * scale, digits)


def with_half(middle: float, half: float, digits: int) -> str:
    """Return ``middle ± half``; no ± where ``half`` is NaN."""
    return number(middle, digits) + ("" if math.isnan(half) else f" ± {number(half, digits)}")


def near_text(metrics: Iterable[TaskMetric]) -> str:
    """Say how near to the best cell a width reaches, for tasks that are judged by ``metrics``."""
    near = {"1 point" if metric == ERROR else "1 % of what can be learned" for metric in metrics}
    return " or ".join(sorted(near))


def engine_text(engine: Engine, expected: str | None = None) -> str:
    """Describe the engine that was chosen, the measurement that chose it, and when compiled packs are expected."""
    size = f", up to {engine.pack_size} trials at once" if engine.name == "fused" else ""
    compiling = f", {expected or 'compiled'}" if engine.compile else ""
    measured = ", ".join(f"{name} {1e3 * seconds:.3g}" for name, seconds in engine.measured.items())
    if not measured:
        return f"{engine.name} ({engine.reason})" if engine.reason else f"{engine.name} (not measured)"
    reason = f"; {engine.reason}" if engine.reason else ""
    return (
        f"{engine.name}{size}{compiling} (measured, ms a step of one model, evaluations with it: {measured}"
        f"{reason})"
    )


def time_text(seconds: float | None) -> str:
    """Return how long something takes, in words: ``about 40 s``; None: nobody can tell."""
    return (
        "not known: the steps of a training function cannot be timed"
        if seconds is None
        else f"about {duration(seconds)}"
    )


def duration(seconds: float) -> str:
    """Return ``40 s``, ``12 min`` or ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
