"""What makes the grids of a comparison unfair: missing runs, unequal widths, best cells too near an edge."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

from analysis.judgement.problems import Problem, first_few
from analysis.metrics.selection import selected_cells
from analysis.metrics.sensitivity import WINDOW_DECADES
from analysis.statistics.welch import Array
from analysis.trials import runs_at_scale_one

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


_SURFACE = ["task", "label"]


def grid_problems(grid: pd.DataFrame) -> Iterator[Problem]:
    """Find the problems of grids.

    Args:
        grid: The rows of `analysis.trials.errors` of role 'grid', failed ones included.
    """
    for rule in (_missing_seeds, _missing_cells, _unequal_grids, _edges):
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
    best = selected_cells(grid).set_index(_SURFACE)["lr"]
    for task, rows in runs_at_scale_one(grid).groupby("task"):
        labels = {str(label): mine for label, mine in rows.groupby("label")}
        powers = {label: np.log10(np.unique(mine["lr"].to_numpy())) for label, mine in labels.items()}
        decays = {label: mine["weight_decay"].nunique(dropna=False) for label, mine in labels.items()}
        base = min(powers.values(), key=lambda own: (len(own), _width(own)))
        unlike = [own for label, own in powers.items() if not _fair(own, base, np.log10(best[task, label]))]
        if any(_width(own) != _width(base) for own in unlike):
            text = "; ".join(f"{label}: {_width(own):g}" for label, own in powers.items())
            yield Problem("unequal-width", str(task), None, f"decades of learning rates: {text}")
        if any(len(own) != len(base) for own in unlike) or len(set(decays.values())) > 1:
            text = "; ".join(f"{label}: {len(own)} x {decays[label]}" for label, own in powers.items())
            yield Problem("unequal-cells", str(task), None, f"learning rates x decays: {text}")


def _width(powers: Array) -> float:
    # rates are written with few digits, so that equal widths differ a little
    return round(float(powers[-1] - powers[0]), 3)


def _fair(own: Array, base: Array, best: float) -> bool:
    """Say whether a grid is as wide as `base`, the smallest, or was rightly extended.

    An extension was right where its spacing is the same, where the best cell would lie too near to the edge of a grid
    as small as `base` at one of its ends, and where there are no more rates beyond that cell than are wanted: without
    the extension the grid could not be compared fairly.
    """
    if len(own) == len(base) or len(base) < 2:
        return _width(own) == _width(base) and len(own) == len(base)
    spacing = _width(base) / (len(base) - 1)
    if abs(_width(own) / (len(own) - 1) - spacing) > 0.01 * spacing:
        return False
    index = int(np.argmin(np.abs(own - best))) if np.isfinite(best) else 0
    from_ends = (index, len(own) - 1 - index)
    wanted = cells_wanted(spacing)
    return any(
        here > len(base) - 1 - wanted and beyond <= wanted for here, beyond in (from_ends, from_ends[::-1])
    )


def _edges(grid: pd.DataFrame) -> Iterator[Problem]:
    spacings = _spacings(runs_at_scale_one(grid))
    for row in selected_cells(grid).dropna(subset=["edge_distance"]).to_dict("records"):
        distance, wanted = row["edge_distance"], cells_wanted(spacings[row["task"], row["label"]])
        detail = f"the best learning rate, {row['lr']:g}, is {distance} cells from the edge of its grid"
        if distance < EDGE_CELLS:
            yield Problem("edge", row["task"], row["label"], detail)
        elif distance < wanted:
            yield Problem(
                "cut-window", row["task"], row["label"], f"{detail}; S takes {wanted} on either side"
            )


def _spacings(grid: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return the mean number of decades from one learning rate to the next; infinite where there is only one."""
    rates = grid.groupby(_SURFACE)["lr"].agg(["min", "max", "nunique"])
    steps = (rates["nunique"] - 1).clip(lower=1)
    decades = np.log10(rates["max"] / rates["min"]) / steps
    return decades.where(decades > 0, np.inf).to_dict()
