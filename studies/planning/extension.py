"""What a study may grow by: learning rates beyond the edges of its grid, and fresh seeds at its best cells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice

from analysis.judgement.grids import shortfalls
from studies.spec.grid import Grid, LogRange
from studies.spec.optimizers.entries import OptimizerEntry
from studies.spec.values import rounded

FIRST_FRESH_SEED = 1000


def fresh_seeds(given: tuple[int, ...], number: int) -> tuple[int, ...]:
    """Return ``number`` seeds from 1000 on, leaving out those that are ``given``."""
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
        decades: How far from the edge, in powers of ten.
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
        # rounding to 6 digits moves a rate by up to 2e-7 decades
        if not 0 < rate < math.inf or rate == last or abs(math.log10(rate / edge)) > decades + 1e-6:
            return
        last = rate
        yield rate


class Reach:
    """The learning rates of one label, and how far they may still be extended.

    Args:
        entry: The label's optimizer.
        grid: The study's grid.
        decades: How far it may be extended on either side.
    """

    def __init__(self, entry: OptimizerEntry, grid: Grid, decades: float) -> None:
        self.rates = sorted(entry.rates(grid))
        self._further = {upper: beyond(entry, grid, upper=upper, decades=decades) for upper in (False, True)}

    def extend(self, chosen: Sequence[float]) -> dict[bool, list[float]]:
        """Add the rates that are missing for all ``chosen`` ones to lie far enough inside.

        How far that is, ``analysis.judgement.grids.shortfalls`` says, of which a verdict asks the same.

        Args:
            chosen: As ``analysis.judgement.grids.chosen_rates`` returns them.

        Returns:
            The added rates of each side (``True``: above) on which it lies too near the edge; an empty list where
            the bound allows no more, and only the first time.
        """
        sides = {}
        for upper, short in shortfalls(self.rates, chosen).items():
            if upper in self._further:
                sides[upper] = list(islice(self._further[upper], short.missing))
                if not sides[upper]:
                    del self._further[upper]
        self.rates = sorted(self.rates + [rate for added in sides.values() for rate in added])
        return sides


def decades_text(decades: float) -> str:
    """Return ``1 decade``, ``2.5 decades``, …"""
    return f"{decades:g} decade{'s' * (decades != 1)}"


def extension_notes(
    label: str, chosen: Sequence[float], sides: Mapping[bool, list[float]], decades: float
) -> list[str]:
    """Return a line for each side: which rates are added to the grid of ``label``, or that the bound is reached."""
    notes = []
    for upper, added in sides.items():
        end, rate = ("upper", max(chosen)) if upper else ("lower", min(chosen))
        name = (
            f"best lr {rate:g}" if rate == chosen[0] else f"lr {rate:g}, the best without one of the seeds,"
        )
        where = f"extend: {label}: {name} lies too near to the {end} edge"
        rates = ", ".join(f"{rate:g}" for rate in added)
        notes.append(
            f"{where}: adding lr {rates}"
            if added
            else f"{where}, and the bound of {decades_text(decades)} is reached"
        )
    return notes
