"""What a study may grow by: learning rates beyond its grid's edges, and fresh seeds at the best cells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import count, islice
from typing import Annotated

from pydantic import Field

from analysis.validity import cells_wanted
from studies.entries import OptimizerEntry
from studies.grids import Grid, LogRange, Positive, Strict, rounded
from studies.problems import Problem

FIRST_FRESH_SEED = 1000
DECADES = 3.0
MAX_DECADES = 100.0


class Extend(Strict):
    """How far a grid may be extended: so many decades beyond either end that the study file gives it."""

    decades: Annotated[Positive, Field(le=MAX_DECADES)] = DECADES


def read_extend(value: object) -> object:
    """Return ``true`` as the default bound and ``false`` as nothing."""
    if isinstance(value, bool):
        return Extend() if value else None
    return value


def fresh_seeds(given: tuple[int, ...], number: int) -> tuple[int, ...]:
    """Return ``number`` seeds from 1000 on, without those that are ``given``."""
    taken = set(given)
    return tuple(islice((seed for seed in count(FIRST_FRESH_SEED) if seed not in taken), number))


def beyond(entry: OptimizerEntry, grid: Grid, *, upper: bool, decades: float) -> Iterator[float]:
    """Yield the learning rates beyond one end of an optimizer's grid, the nearest first.

    A range goes on as a wider range with the same centre would; a list goes on by the ratio of its two
    outermost rates. All are of 6 significant digits.

    Args:
        entry: The optimizer.
        grid: The study's grid.
        upper: Beyond the largest, or else the smallest rate.
        decades: How far.
    """
    rates = sorted(entry.rates(grid))
    edge, inner = (rates[-1], rates[-2]) if upper else (rates[0], rates[1])
    last = edge
    for step in count(1):
        try:
            if isinstance(grid.lr, LogRange) and isinstance(entry.lr, float):
                rate = grid.lr.at(entry.lr, grid.lr.points - 1 + step if upper else -step)
            else:
                rate = rounded(edge * (edge / inner) ** step)
        except OverflowError:
            return
        # 6 digits move a rate by 2e-7 decades
        if not 0 < rate < math.inf or rate == last or abs(math.log10(rate / edge)) > decades + 1e-6:
            return
        last = rate
        yield rate


class Reach:
    """How far the grid of one label reaches, and how far it may.

    Args:
        entry: The label's optimizer.
        grid: The study's grid.
        decades: How far it may be extended on either side.
    """

    def __init__(self, entry: OptimizerEntry, grid: Grid, decades: float) -> None:
        self.rates = sorted(entry.rates(grid))
        self._further = {upper: beyond(entry, grid, upper=upper, decades=decades) for upper in (False, True)}

    def extend(self, best: float) -> dict[bool, list[float]]:
        """Add what is missing for ``best`` to lie as far inside as ``analysis.validity.cells_wanted`` says.

        Returns:
            The added rates of each side (``True``: above) on which it does not lie so; none of them where the
            bound is reached, which is said once.
        """
        position = self.rates.index(best)
        sides = {}
        for upper, cells in ((False, position), (True, len(self.rates) - 1 - position)):
            outer, inner = self.rates[-2:] if upper else self.rates[:2]
            wanted = cells_wanted(abs(math.log10(outer / inner)))
            if cells < wanted and upper in self._further:
                sides[upper] = list(islice(self._further[upper], wanted - cells))
                if not sides[upper]:
                    del self._further[upper]
        self.rates = sorted(self.rates + [rate for added in sides.values() for rate in added])
        return sides


def counted(decades: float) -> str:
    """Return a number of decades as it is said."""
    return f"{decades:g} decade{'s' * (decades != 1)}"


def extension_notes(label: str, best: float, sides: Mapping[bool, list[float]], decades: float) -> list[str]:
    """Say in a line a side what is added to the grid of ``label``, or that the bound is reached."""
    notes = []
    for upper, added in sides.items():
        end = "upper" if upper else "lower"
        where = f"extend: {label}: best lr {best:g} lies too near to the {end} edge"
        rates = ", ".join(f"{rate:g}" for rate in added)
        notes.append(
            f"{where}: adding lr {rates}"
            if added
            else f"{where}, and the bound of {counted(decades)} is reached"
        )
    return notes


def growth_problems(
    extend: Extend | None, confirm: int, grid: Grid, optimizers: Mapping[str, OptimizerEntry]
) -> list[Problem]:
    """Return what keeps a study from being extended or confirmed as it asks."""
    problems = []
    at_one = any(math.isclose(scale, 1.0) for scale in grid.grad_scale)
    for key, value in (("extend", extend), ("confirm", confirm)):
        if value and not at_one:
            rule = "needs 1 among grid.grad_scale, where cells are selected"
            problems.append(Problem((key,), value, rule))
    for key, entry in optimizers.items():
        if extend is not None and len(entry.rates(grid)) < 2:
            rule = "must be at least two learning rates, which extend goes on from"
            problems.append(Problem(("optimizers", key, "lr"), entry.lr, rule))
    return problems
