"""Scale exponent a: how the best learning rate moves with the gradient scale.

An optimizer whose update is of degree d in the gradient needs lr* proportional to c^-d: AdamW, which divides
by the gradient's own size, has a = 0, and SGD a = 1.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.rounding import rounded
from analysis.statistics.intervals import mean_interval, t_half_width
from analysis.trials import cell_means, errors, in_own_metric, labels_of

SCALE_COLUMNS = [
    "task", "label", "optimizer", "scale_exponent", "se", "low", "high", "scales", "n", "edge_minima", "reason",
]  # fmt: skip

_CURVE = ["task", "label", "grad_scale"]


def scale_exponent(trials: pd.DataFrame) -> pd.DataFrame:
    """Estimate `a = - d log lr* / d log c`, per task and label, with a 95 % interval.

    For every gradient scale c and seed, lr* is the learning rate of the lowest validation error over lr and
    weight decay, refined by the parabola in log lr through that cell and its neighbours at the same decay.
    The slope is the least-squares one with an intercept for every seed (a seed's runs share weights and
    batches), its interval Student's with n - seeds - 1 degrees of freedom.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them; those of the grid take part.

    Returns:
        One row per task and label with the columns task, label, optimizer, scale_exponent, se, low, high,
        scales (how many c), n (how many minima: one per c and seed), edge_minima (how many of them lie on an
        end of their lr grid, where lr* may lie beyond it and a is biased towards 0) and reason: null, or why
        there is no exponent, or no interval. There is an exponent only where, at every c, the best lr by the mean
        over seeds is inside the grid and beats chance.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    grid = runs[(runs["role"] == "grid") & ~runs["failed"]].reset_index(drop=True)
    table = labels_of(runs).merge(_slopes(_minima(grid)), on=["task", "label"], how="left")
    counts = ["scales", "n", "edge_minima"]
    table[counts] = table[counts].fillna(0).astype("int64")
    obstacles = _obstacles(runs, grid)
    reasons = [obstacles.get(key) for key in zip(table["task"], table["label"], strict=True)]
    table["reason"] = pd.Series(reasons, index=table.index, dtype="str")
    table["reason"] = table["reason"].mask(table["scales"] < 2, "fewer than 2 gradient scales")
    none = table["reason"].notna()
    numbers = ["scale_exponent", "se", "low", "high"]
    table[numbers] = table[numbers].mask(none)
    table["reason"] = table["reason"].mask(
        ~none & table["low"].isna(), "at least 2 seeds are needed for an interval"
    )
    return in_own_metric(table[SCALE_COLUMNS], trials)


def best_rates(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the best learning rate at every gradient scale, to which `scale_exponent` fits a slope.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them; those of the grid take part.

    Returns:
        One row per task, label and gradient scale with the columns task, label, optimizer, grad_scale, best_lr
        (geometric mean over seeds of lr*, refined as there), n (seeds), low, high (95 % t-interval of log lr*)
        and on_edge (for how many seeds lr* lies on an end of the lr grid).

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    minima = _minima(runs[(runs["role"] == "grid") & ~runs["failed"]].reset_index(drop=True))
    edges = (
        minima.astype({"on_edge": "int64"}).groupby(_CURVE, as_index=False).agg(on_edge=("on_edge", "sum"))
    )
    table = mean_interval(minima, "refined", _CURVE).merge(edges, on=_CURVE, validate="one_to_one")
    table = labels_of(runs).merge(table, on=["task", "label"], validate="one_to_many")
    rates = {
        name: 10.0 ** table[column]
        for name, column in (("best_lr", "mean"), ("low", "low"), ("high", "high"))
    }
    return table.assign(**rates)[
        ["task", "label", "optimizer", "grad_scale", "best_lr", "n", "low", "high", "on_edge"]
    ]


def _minima(grid: pd.DataFrame) -> pd.DataFrame:
    """Return log10 of lr* for every c and seed, and whether it lies on an end of the lr grid."""
    line = [*_CURVE, "seed", "weight_decay"]
    curve = grid.sort_values([*line, "lr"], ignore_index=True)[[*line, "lr", "val_error"]]
    curve["x"] = np.log10(curve["lr"])
    lines = curve.groupby(line, dropna=False)[["x", "val_error"]]
    before, after = lines.shift(1), lines.shift(-1)
    ends = curve.groupby(_CURVE)["lr"]
    curve["on_edge"] = (curve["lr"] == ends.transform("min")) | (curve["lr"] == ends.transform("max"))
    curve["refined"] = _vertex(before, curve, after)
    curve["rounded"] = rounded(curve["val_error"], curve["task"], grid)
    best = curve.sort_values([*_CURVE, "seed", "rounded", "lr", "weight_decay"], kind="stable")
    return best.drop_duplicates([*_CURVE, "seed"])[[*_CURVE, "seed", "refined", "on_edge"]]


def _vertex(before: pd.DataFrame, here: pd.DataFrame, after: pd.DataFrame) -> pd.Series:
    """Return where the parabola through three points is lowest, or `here` itself where it has no minimum."""
    left, right = here["x"] - before["x"], after["x"] - here["x"]
    falls, rises = before["val_error"] - here["val_error"], after["val_error"] - here["val_error"]
    curved = left * rises + right * falls
    usable = (falls >= 0) & (rises >= 0) & (curved > 0)
    shift = (right**2 * falls - left**2 * rises) / (2 * curved.where(usable))
    return here["x"] + shift.fillna(0.0)


def _slopes(minima: pd.DataFrame) -> pd.DataFrame:
    """Fit one slope per label through the minima, with an intercept per seed."""
    key = ["task", "label"]
    x, y = np.log10(minima["grad_scale"]), minima["refined"]
    by_seed = [minima["task"], minima["label"], minima["seed"]]
    x, y = x - x.groupby(by_seed).transform("mean"), y - y.groupby(by_seed).transform("mean")
    sums = minima.assign(xx=x * x, xy=x * y, yy=y * y).groupby(key)
    fit = sums.agg(
        xx=("xx", "sum"), xy=("xy", "sum"), yy=("yy", "sum"), n=("seed", "size"), seeds=("seed", "nunique"),
        scales=("grad_scale", "nunique"), edge_minima=("on_edge", "sum"),
    )  # fmt: skip
    slope = fit["xy"] / fit["xx"].where(fit["xx"] > 0)
    df = fit["n"] - fit["seeds"] - 1
    left = (fit["yy"] - slope * fit["xy"]).clip(lower=0)
    se = np.sqrt(left / df.where(df > 0) / fit["xx"])
    # t_half_width divides by sqrt(n) and takes n - 1 degrees of freedom
    half = t_half_width(se * np.sqrt(df + 1.0), df + 1)
    fit = fit.assign(scale_exponent=-slope, se=se, low=-slope - half, high=-slope + half)
    return fit.drop(columns=["xx", "xy", "yy", "seeds"]).reset_index()


def _obstacles(runs: pd.DataFrame, grid: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Say for which labels, by the mean over seeds, lr* is not inside the grid or does not beat chance."""
    cells = cell_means(grid, [*_CURVE, "lr", "weight_decay"])
    ends = cells.groupby(_CURVE)["lr"]
    cells["on_edge"] = (cells["lr"] == ends.transform("min")) | (cells["lr"] == ends.transform("max"))
    best = cells.sort_values([*_CURVE, "val_error", "lr", "weight_decay"]).drop_duplicates(_CURVE)
    planned = runs.loc[runs["role"] == "grid", _CURVE].drop_duplicates()
    best = planned.merge(best, on=_CURVE, how="left", validate="one_to_one")
    chance = grid[["task", "chance_error"]].drop_duplicates("task")
    best = best.merge(chance, on="task", how="left", validate="many_to_one")
    best["nothing beats chance"] = best["val_error"] >= rounded(best["chance_error"], best["task"], runs)
    best["every run failed"] = best["val_error"].isna()
    best["lr* is on the edge of its grid"] = best["on_edge"].eq(True) & ~best["nothing beats chance"]
    obstacles: dict[tuple[str, str], list[str]] = {}
    for (task, label), rows in best.groupby(["task", "label"]):
        for problem in ("every run failed", "nothing beats chance", "lr* is on the edge of its grid"):
            if rows[problem].any():
                where = ", ".join(f"{scale:g}" for scale in rows.loc[rows[problem], "grad_scale"])
                obstacles.setdefault((str(task), str(label)), []).append(f"{problem} at c = {where}")
    return {key: "; ".join(problems) for key, problems in obstacles.items()}
