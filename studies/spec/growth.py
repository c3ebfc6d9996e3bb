"""How a study may grow after its grid: the key ``extend``, and what growing and measuring need of the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from analysis.trials import at_scale_one
from studies.spec.grid import Grid
from studies.spec.optimizers.entries import OptimizerEntry
from studies.spec.problems import Problem
from studies.spec.sections import Budget, Diagnostics
from studies.spec.values import Positive, Strict

DECADES = 3.0
MAX_DECADES = 100.0


class Extend(Strict):
    """How far a grid may be extended: by ``decades`` beyond either end of the learning rates in the study file."""

    decades: Annotated[Positive, Field(le=MAX_DECADES)] = DECADES


def read_extend(value: object) -> object:
    """Return the value of ``extend``, where ``true`` stands for the default bound and ``false`` for none at all."""
    if isinstance(value, bool):
        return Extend() if value else None
    return value


def growth_problems(
    extend: Extend | None, confirm: int, grid: Grid, optimizers: Mapping[str, OptimizerEntry]
) -> list[Problem]:
    """Return what prevents a study from being extended or confirmed as it asks."""
    problems = []
    at_one = any(map(at_scale_one, grid.grad_scale))
    for key, value in (("extend", extend), ("confirm", confirm)):
        if value and not at_one:
            rule = "needs 1 among grid.grad_scale, where cells are selected"
            problems.append(Problem((key,), value, rule))
    for key, entry in optimizers.items():
        if extend is not None and len(entry.rates(grid)) < 2:
            rule = "must be at least two learning rates, which extend goes on from"
            problems.append(Problem(("optimizers", key, "lr"), entry.lr, rule))
    return problems


def measure_problems(
    diagnostics: Diagnostics | None, flatness: str, budget: Budget, grid: Grid
) -> Iterator[Problem]:
    """Yield what prevents a study from being measured as it asks."""
    if diagnostics and max(diagnostics.epochs) > budget.epochs:
        rule = f"must be at most budget.epochs ({budget.epochs})"
        yield Problem(("diagnostics", "epochs"), list(diagnostics.epochs), rule)
    if flatness == "selected" and not any(map(at_scale_one, grid.grad_scale)):
        yield Problem(("flatness",), flatness, "needs 1 among grid.grad_scale, where cells are selected")
