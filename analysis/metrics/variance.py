"""Variance decomposition: how much of the spread of errors each hyperparameter accounts for.

The analysis of variance of `m ~ C(lr) * C(weight_decay) * C(grad_scale)` with sums of squares of type II, as
statsmodels' `anova_lm(..., typ=2)` computes them (https://www.statsmodels.org/stable/anova.html). A linear
model of a million rows would need hours and gigabytes; the same sums follow from the means of the cells,
weighted by their numbers of seeds, because the rows of one cell share one prediction. The tests compare both.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.task_metric import ERROR
from analysis.trials import errors, in_own_metric

FACTORS = ("lr", "weight_decay", "grad_scale")
VARIANCE_COLUMNS = ["task", "label", "optimizer", "term", "sum_sq", "df", "eta_squared", "runs", "balanced"]

Term = tuple[int, ...]

_SINGULAR = 1e-9
_ROUNDING = 1e-24


def variance_decomposition(trials: pd.DataFrame) -> pd.DataFrame:
    """Split the variance of the validation error over the grid, per task and label.

    `eta_squared` is a term's sum of squares divided by the total one. Type II: a term is compared with the
    model of all terms that do not contain it. A diverged run has chance error; factors with a single value
    are left out; a null weight decay is a value like any other.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them; those of the grid take part, at all
            gradient scales.

    Returns:
        One row per task, label and term with the columns task, label, optimizer, term ('lr',
        'lr:weight_decay', ..., and last 'seed', what the seeds leave over), sum_sq (squared proportions, or in the
        squared unit of the metric), df,
        eta_squared, runs (how many rows) and balanced (whether every combination of values has the same
        number of runs; where it is False the shares need not add up to 1). With a single run per cell, 'seed'
        is 0 and the highest interaction contains the noise. eta_squared is NaN where all errors are equal,
        and a label without a usable run has the single term 'seed' with runs = 0.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
    """
    runs = errors(trials)
    grid = runs[(runs["role"] == "grid") & ~runs["failed"]]
    surface = ["task", "label", "optimizer"]
    mean = grid.groupby(surface)["val_error"].transform("mean")
    scale = _magnitudes(grid)
    # rounding is told from variance on values of about 1, as errors are
    centred = grid.assign(y=(grid["val_error"] - mean) / scale)
    centred["yy"] = centred["y"] ** 2
    by_cell = centred.groupby([*surface, *FACTORS], dropna=False)
    cells = by_cell.agg(y=("y", "mean"), yy=("yy", "sum"), n=("y", "size")).reset_index()
    sizes = dict(zip(grid["task"], scale, strict=True))
    parts = [
        _terms(part, sizes[task]).assign(task=str(task), label=str(label), optimizer=str(optimizer))
        for (task, label, optimizer), part in cells.groupby(surface)
    ]
    named = runs[surface].drop_duplicates(["task", "label"])
    missing = named.merge(cells[["task", "label"]].drop_duplicates(), how="left", indicator=True)
    missing = missing.loc[missing["_merge"] == "left_only", surface]
    if len(missing):
        parts.append(_table([("seed", np.nan, 0)], np.nan, 0, False).merge(missing, how="cross"))
    empty = _table([], np.nan, 0, False).assign(task="", label="", optimizer="")
    table = pd.concat(parts, ignore_index=True) if parts else empty
    table = table[VARIANCE_COLUMNS].sort_values(["task", "label"], kind="stable", ignore_index=True)
    return in_own_metric(table, trials)


def _magnitudes(grid: pd.DataFrame) -> pd.Series:
    """Return of each row's task the largest size of its values, and 1 where it is judged by error."""
    ones = pd.Series(1.0, index=grid.index)
    if "metric" not in grid.columns:
        return ones
    sizes = grid["val_error"].abs().groupby(grid["task"]).transform("max")
    return sizes.where(sizes > 0, 1.0).mask(grid["metric"] == ERROR.name, ones)


def _terms(cells: pd.DataFrame, scale: float) -> pd.DataFrame:
    """Decompose one label's variance; `cells` holds means y, sums of squares yy and counts n, in units of `scale`."""
    codes = np.stack([pd.factorize(cells[name], use_na_sentinel=False)[0] for name in FACTORS])
    levels = codes.max(axis=1) + 1
    varied = [int(axis) for axis in np.flatnonzero(levels > 1)]
    terms = [term for size in range(1, len(varied) + 1) for term in combinations(varied, size)]
    y, n = cells["y"].to_numpy(), cells["n"].to_numpy(dtype=float)
    balanced = len(cells) == levels.prod() and bool((n == n[0]).all())
    if balanced:
        sums = [(term, *_orthogonal(y.reshape(levels), n[0], term)) for term in terms]
    else:
        sums = _type_two(codes, y, n, terms)
    total, runs = float(cells["yy"].sum()), int(n.sum())
    named = [(":".join(FACTORS[axis] for axis in term), size, df) for term, size, df in sums]
    left = max(total - float((n * y**2).sum()), 0.0)
    table = _table([*named, ("seed", left, runs - len(cells))], total, runs, balanced)
    return table.assign(sum_sq=table["sum_sq"] * scale**2)


def _table(sums: list[tuple[str, float, int]], total: float, runs: int, balanced: bool) -> pd.DataFrame:
    table = pd.DataFrame(sums, columns=["term", "sum_sq", "df"])
    table = table.astype({"term": "str", "sum_sq": "float64", "df": "int64"})
    # equal errors minus their mean leave rounding, not variance
    share = table["sum_sq"] / (total if total > _ROUNDING * runs else np.nan)
    return table.assign(eta_squared=share, runs=runs, balanced=balanced)


def _orthogonal(y: np.ndarray, n: float, term: Term) -> tuple[float, int]:
    """Return a term's sum of squares and df on a full grid with n runs in every cell, where terms are orthogonal."""
    effect, df, repeats = y, 1, n
    for axis, size in enumerate(y.shape):
        mean = effect.mean(axis=axis, keepdims=True)
        if axis in term:
            effect, df = effect - mean, df * (size - 1)
        else:
            effect, repeats = mean, repeats * size
    return float(repeats * (effect**2).sum()), df


def _type_two(
    codes: np.ndarray, y: np.ndarray, n: np.ndarray, terms: list[Term]
) -> list[tuple[Term, float, int]]:
    """Return every term with its sum of squares and df beyond the model of the terms that do not contain it."""
    columns = [np.ones((len(y), 1)), *(_columns(codes, term) for term in terms[:-1])]
    owner = np.concatenate([np.full(part.shape[1], index - 1) for index, part in enumerate(columns)])
    design = np.concatenate(columns, axis=1)
    weighted = design.T * n
    gram, moments = weighted @ design, weighted @ y

    @cache
    def fit(model: frozenset[int]) -> tuple[float, int]:
        if len(model) == len(terms):  # all terms together predict every cell
            return float((n * y**2).sum()), len(y)
        used = np.flatnonzero(np.isin(owner, [-1, *model]))
        return _explained(gram[np.ix_(used, used)], moments[used])

    sums = []
    for index, term in enumerate(terms):
        others = frozenset(i for i, other in enumerate(terms) if not set(term) <= set(other))
        (without, rank), (with_it, full_rank) = fit(others), fit(others | {index})
        sums.append((term, max(with_it - without, 0.0), full_rank - rank))
    return sums


def _columns(codes: np.ndarray, term: Term) -> np.ndarray:
    """Return the columns that a term adds to a linear model, products of contrasts that sum to 0."""
    columns = np.ones((codes.shape[1], 1))
    for axis in term:
        levels = int(codes[axis].max()) + 1
        start = np.eye(levels)
        start[:, 0] = 1.0
        contrasts = np.linalg.qr(start)[0][:, 1:][codes[axis]]
        columns = (columns[:, :, None] * contrasts[:, None, :]).reshape(len(columns), -1)
    return columns


def _explained(gram: np.ndarray, moments: np.ndarray) -> tuple[float, int]:
    """Return the sum of squares that a linear model explains, and its rank."""
    size = np.sqrt(gram.diagonal())
    size = np.where(size > 0, size, 1.0)
    scaled, right = gram / np.outer(size, size), moments / size
    try:
        factor = np.linalg.cholesky(scaled)
    except np.linalg.LinAlgError:
        factor = np.zeros((1, 1))
    if factor.diagonal().min() > _SINGULAR:
        return float((np.linalg.solve(factor, right) ** 2).sum()), len(right)
    # cells without a run leave some columns without information of their own
    values, vectors = np.linalg.eigh(scaled)
    kept = values > _SINGULAR * values[-1]
    return float(((vectors[:, kept].T @ right) ** 2 / values[kept]).sum()), int(kept.sum())
