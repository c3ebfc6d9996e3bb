"""What an optimizer takes, as lines and a table on the terminal."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from robustness.optimizers import OPTIMIZERS, REQUIRED, find, hyperparameters, rule_of, signature
from robustness.optimizers.building import ranges_of
from robustness.optimizers.foreign.closures import needs_closure
from robustness.optimizers.ranges import Range
from robustness.user_code.names import importable
from studies.spec.errors import InputError
from studies.terminal.text import say, table


def print_optimizers(console: Console) -> None:
    """Print every registered optimizer with its hyperparameters."""
    rows = [
        (name, ", ".join(f"{key}={value}" for key, value in hyperparameters(name).items()))
        for name in sorted(OPTIMIZERS)
    ]
    console.print(table(("optimizer", "hyperparameters beside lr and weight_decay"), rows))
    say(console, "One of your own, or of a package: robustness optimizers package.module:Class")


def print_optimizer(console: Console, name: str) -> None:
    """Print what one optimizer takes.

    Args:
        console: Where to.
        name: A registered name, or ``package.module:Class``, also of a module in the current folder.

    Raises:
        InputError: If there is no such optimizer.
    """
    with importable(Path.cwd()):
        try:
            lines, rows = list(_lines(name)), list(_rows(name))
        except ValueError as error:
            raise InputError(str(error)) from error
    console.print(table((name, ""), lines))
    console.print(table(("hyperparameter", "default", "allowed"), rows))


def _lines(name: str) -> Iterator[tuple[str, str]]:
    found, taken = find(name), signature(name)
    values = {"lr": 1e-3, "weight_decay": 0.0, **taken.defaults}
    fused = rule_of(name) is not None
    yield "class", f"{found.__module__}.{found.__qualname__}"
    yield "file", inspect.getsourcefile(found) or "none"
    yield "fused", "yes: it has a rule, so many models train as one" if fused else "no: one model at a time"
    yield "weight decay", "yes" if taken.decays else "no: a study gives 0"
    yield "closure", "yes: it evaluates the model itself" if needs_closure(name, values) else "no"


def _rows(name: str) -> Iterator[tuple[str, str, str]]:
    taken, ranges = signature(name), ranges_of(name)
    decay = {"weight_decay": "the grid's"} if taken.decays else {}
    for key, default in {"lr": "the grid's", **decay, **taken.defaults}.items():
        text = "required" if default is REQUIRED else str(default)
        yield key, text, _allowed(ranges[key]) if key in ranges else "what its constructor allows"


def _allowed(allowed: Range | tuple[str, ...] | Any) -> str:
    if isinstance(allowed, Range):
        return allowed.text + (", or none" if allowed.optional else "")
    return ", ".join(allowed)
