"""What makes the grids of a comparison unfair: missing runs, unequal widths, best cells too near an edge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.judgement.problems import Problem, first_few
from analysis.metrics.selection import selected_cells
from analysis.metrics.sensitivity import WINDOW_DECADES
from analysis.statistics.crossfit import with_reference_cell
from analysis.statistics.welch import Array
from analysis.trials import grid_runs, runs_at_scale_one

EDGE_CELLS = 2
"""The best cell must lie at least this many learning rates inside its grid."""


def cells_wanted(spacing: float) -> int:
    """Return how many learning rates a grid should have beyond its best one, on either side.

    At least `EDGE_CELLS`, and all that lie in the window of S: a window that is cut short leaves out just the rates
    at which most is lost, and makes its optimizer look more robust than it is.

    Args:
        spacing: Decades from one learning rate to the next.
    """
    # rates are written with few digits, so that spacings differ a little
    return max(EDGE_CELLS, math.floor(WINDOW_DECADES / spacing + 1e-3))


class Shortfall(NamedTuple):
    """What a grid of learning rates lacks at one of its ends.

    Attributes:
        missing: How many rates, at the spacing of that end.
        rate: The chosen rate that lies nearest to that end.
        cells: How many rates lie beyond it.
        wanted: How many should.
    """

    missing: int
    rate: float
    cells: int
    wanted: int


def shortfalls(rates: Iterable[float], chosen: Iterable[float]) -> dict[bool, Shortfall]:
    """Return what a grid lacks below (False) and above (True) for every chosen rate to lie far enough inside.

    `check` and the extension of a study's grid ask the same question here.

    Args:
        rates: The learning rates of the grid.
        chosen: Output of `chosen_rates` for its label.
    """
    powers, inside = np.sort(np.log10([*rates])), np.log10([*chosen])
    result = {}
    for upper, rate in ((False, inside.min()), (True, inside.max())):
        # seen from that end
        ordered = powers[::-1] if upper else powers
        spacing = abs(ordered[1] - ordered[0]) if len(ordered) > 1 else math.inf
        cells, wanted = int(np.argmin(np.abs(ordered - rate))), cells_wanted(spacing)
        if cells < wanted:
            result[upper] = Shortfall(wanted - cells, float(10**rate), cells, wanted)
    return result


def chosen_rates(runs: pd.DataFrame) -> dict[tuple[str, str], list[float]]:
    """Return the learning rates from which S is measured, by task and label: all have to lie inside the grid.

    The first is that of the best cell over all seeds. The others, in ascending order, are those that the seeds choose
    for one another (`analysis.statistics.crossfit`): one seed less may well choose another rate.

    Args:
        runs: Output of `analysis.trials.errors`; labels without a usable run at gradient scale 1 have no entry.
    """
    best = selected_cells(runs)
    by_others = with_reference_cell(grid_runs(runs)).groupby(_SURFACE)["reference_lr"].unique().to_dict()
    return {
        (row["task"], row["label"]): [
            row["lr"],
            *sorted({*by_others[row["task"], row["label"]]} - {row["lr"]}),
        ]
        for row in best[best["seeds"] > 0].to_dict("records")
    }


_SURFACE = ["task", "label"]


def grid_problems(grid: pd.DataFrame) -> Iterator[Problem]:
    """Find the problems of grids.

    Args:
        grid: The rows of `analysis.trials.errors` of role 'grid', failed ones included.
    """
    for rule in (_missing_seeds, _missing_cells, _unequal_grids, _edges, _decay_edges):
        yield from rule(grid)


def _missing_seeds(grid: pd.DataFrame) -> Iterator[Problem]:
    for task, rows in grid.groupby("task"):
        everyone = set(rows["seed"])
        for label, mine in rows.groupby("label"):
            missing = sorted(everyone - set(mine["seed"]))
            if missing:
                yield Problem(
                    "missing-seeds", str(task), str(label), f"no run with seed {first_few(missing)}"
                )


def _missing_cells(grid: pd.DataFrame) -> Iterator[Problem]:
    """Find holes: a label should have every c, and at each c every lr with every decay and every seed."""
    for task, rows in grid.groupby("task"):
        scales = set(rows["grad_scale"])
        for label, mine in rows.groupby("label"):
            absent = sorted(scales - set(mine["grad_scale"]))
            if absent:
                detail = f"no run at gradient scale {first_few(absent)}"
                yield Problem("missing-cells", str(task), str(label), detail)
            decays, seeds = mine["weight_decay"].nunique(dropna=False), mine["seed"].nunique()
            for scale, at in mine.groupby("grad_scale"):
                there = len(at.drop_duplicates(["lr", "weight_decay", "seed"]))
                missing = at["lr"].nunique() * decays * seeds - there
                if missing:
                    detail = f"{missing} runs of {missing + there} are not there at gradient scale {scale:g}"
                    yield Problem("missing-cells", str(task), str(label), detail)


def _unequal_grids(grid: pd.DataFrame) -> Iterator[Problem]:
    chosen = chosen_rates(grid)
    for task, rows in runs_at_scale_one(grid).groupby("task"):
        labels = {str(label): mine for label, mine in rows.groupby("label")}
        powers = {label: np.log10(np.unique(mine["lr"].to_numpy())) for label, mine in labels.items()}
        decays = {label: mine["weight_decay"].nunique(dropna=False) for label, mine in labels.items()}
        base = min(powers.values(), key=lambda own: (len(own), _width(own)))
        unlike = [
            own
            for label, own in powers.items()
            if not _fair(own, base, np.log10(chosen.get((str(task), label), 10 ** own[:1])))
        ]
        if any(_width(own) != _width(base) for own in unlike):
            text = "; ".join(f"{label}: {_width(own):g}" for label, own in powers.items())
            yield Problem("unequal-width", str(task), None, f"decades of learning rates: {text}")
        if any(len(own) != len(base) for own in unlike) or len(set(decays.values())) > 1:
            text = "; ".join(f"{label}: {len(own)} x {decays[label]}" for label, own in powers.items())
            yield Problem("unequal-cells", str(task), None, f"learning rates x decays: {text}")


def _width(powers: Array) -> float:
    # rates are written with few digits, so that equal widths differ a little
    return round(float(powers[-1] - powers[0]), 3)


def _fair(own: Array, base: Array, chosen: Array) -> bool:
    """Say whether a grid is as wide as `base`, the smallest, or was rightly extended.

    An extension was right where its spacing is the same, where a rate that was chosen would lie too near to the edge
    of a grid as small as `base` at one of its ends, and where there are no more rates beyond it than are wanted:
    without the extension the grid could not be compared fairly.
    """
    if len(own) == len(base) or len(base) < 2:
        return _width(own) == _width(base) and len(own) == len(base)
    spacing = _width(base) / (len(base) - 1)
    if abs(_width(own) / (len(own) - 1) - spacing) > 0.01 * spacing:
        return False
    indices = np.abs(own[:, None] - chosen).argmin(axis=0)
    last, wanted = len(own) - 1, cells_wanted(spacing)
    lowest, highest = int(indices.min()), int(indices.max())
    sides = ((highest, last - highest), (last - lowest, lowest))
    return any(here > len(base) - 1 - wanted and beyond <= wanted for here, beyond in sides)


def _edges(grid: pd.DataFrame) -> Iterator[Problem]:
    """Find best cells near an edge, and windows of S that an edge cuts, whichever seed they are for."""
    usable = {key: rows["lr"].unique() for key, rows in grid_runs(grid).groupby(_SURFACE)}
    chosen = chosen_rates(grid)
    for row in selected_cells(grid).dropna(subset=["edge_distance"]).to_dict("records"):
        key = (row["task"], row["label"])
        if row["edge_distance"] < EDGE_CELLS:
            near = f"{row['lr']:g}, is {row['edge_distance']} cells from the edge of its grid"
            yield Problem("edge", *key, f"the best learning rate, {near}")
            continue
        short = shortfalls(usable[key], chosen[key]).values()
        if short:
            worst = max(short, key=lambda one: one.missing)
            whose = "" if math.isclose(worst.rate, row["lr"], rel_tol=1e-9) else " without one of the seeds"
            detail = (
                f"the best learning rate{whose}, {worst.rate:g}, is {worst.cells} cells from the edge of its grid; "
                f"S takes {worst.wanted} on either side"
            )
            yield Problem("cut-window", *key, detail)


def _decay_edges(grid: pd.DataFrame) -> Iterator[Problem]:
    """Find best cells at an end of the weight decays, beyond which a better one may lie.

    Zero is a category and no end, and a single decay is no grid.
    """
    usable = grid_runs(grid)
    for row in selected_cells(grid).dropna(subset=["weight_decay"]).to_dict("records"):
        own = usable[(usable["task"] == row["task"]) & (usable["label"] == row["label"])]
        decays = sorted(own["weight_decay"].dropna().unique())
        ends = {"largest": decays[-1], **({"smallest": decays[0]} if 0 not in decays else {})}
        name = next((name for name, end in ends.items() if row["weight_decay"] == end), None)
        if name and len(decays) > 1:
            listed = ", ".join(f"{decay:g}" for decay in decays)
            detail = f"the best weight decay, {row['weight_decay']:g}, is the {name} of its grid ({listed})"
            yield Problem("decay-edge", row["task"], row["label"], detail)
