"""Escape from a basin: how many runs leave it, how long that takes, and Kramers' rule."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy  # each of its parts is loaded when it is first used: they take long

ESCAPE_COLUMNS = [
    "runs", "escaped", "time", "time_low", "time_high", "share", "share_low", "share_high",
]  # fmt: skip


def escape_times(trials: pd.DataFrame, curves: pd.DataFrame, *, split: str = "val") -> pd.DataFrame:
    """Find the first epoch at which each run is out of the basin that it began in.

    Out is an accuracy above one half, as in the task two-minima, whose accuracy is 1 in the flat basin and 0 in
    the sharp one. A run is seen at the end of each epoch only: epochs must be short against escape times.

    Args:
        trials: One row per run, with a column trial_id.
        curves: One row per trial, epoch and split, with the columns trial_id, epoch, split and accuracy.
        split: The split whose accuracy tells.

    Returns:
        The rows of `trials` with a curve, and three more columns: time (epochs until the run was first seen out,
        or all that were observed), escaped (whether it ever was) and there (whether it is out in the end).
    """
    seen = curves[curves["split"] == split].sort_values(["trial_id", "epoch"])
    out = seen.assign(out=(seen["accuracy"] > 0.5).fillna(False).astype(bool))
    groups = out.groupby("trial_id")
    ends = groups.agg(last=("epoch", "max"), there=("out", "last"))
    ends["first"] = out[out["out"]].groupby("trial_id")["epoch"].min()
    ends["escaped"] = ends["first"].notna()
    ends["time"] = ends["first"].fillna(ends["last"]).astype(float)
    table = ends[["time", "escaped", "there"]].reset_index()
    return trials.merge(table, on="trial_id", validate="one_to_one")


def escape_table(times: pd.DataFrame, by: Sequence[str], level: float = 0.95) -> pd.DataFrame:
    """Estimate the mean escape time and the share of runs that are out in the end, per group.

    Escapes from a basin have no memory, so times are exponential, and runs that were not seen to leave count with
    the time that they stayed. As runs are seen at the end of epochs, the probability `p` of leaving within an epoch
    is estimated as escapes over all epochs spent in the basin, and the mean time is `-1 / log(1 - p)`. The
    interval of `p` is `chi2 / (2 * total)` with 2n and 2n + 2 degrees of freedom, which is conservative where `p`
    is large. The share has a Clopper-Pearson interval.

    Args:
        times: Output of `escape_times`.
        by: The columns that name a group.
        level: Coverage of the intervals.

    Returns:
        One row per group, sorted by `by`, with the columns of `by`, runs, escaped (how many were ever out), time,
        time_low and time_high (epochs; infinite where no run escaped), share, share_low and share_high.
    """
    table = times.groupby(list(by), dropna=False).agg(
        runs=("time", "size"), escaped=("escaped", "sum"), total=("time", "sum"), there=("there", "sum")
    )
    tail = (1 - level) / 2
    n, total = table["escaped"].to_numpy(float), table["total"].to_numpy(float)
    k, runs = table["there"].to_numpy(float), table["runs"].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        table["time"] = _mean_time(n / total)
        table["time_low"] = _mean_time(scipy.special.gammaincinv(n + 1, 1 - tail) / total)
        table["time_high"] = np.where(n > 0, _mean_time(scipy.special.gammaincinv(n, tail) / total), np.inf)
        table["share"] = k / runs
        table["share_low"] = np.where(k > 0, scipy.special.betaincinv(k, runs - k + 1, tail), 0.0)
        table["share_high"] = np.where(k < runs, scipy.special.betaincinv(k + 1, runs - k, 1 - tail), 1.0)
    return table.reset_index()[[*by, *ESCAPE_COLUMNS]]


def _mean_time(probability: np.ndarray) -> np.ndarray:
    """Return the mean time, in epochs, of an escape that each epoch has with this probability."""
    return -1 / np.log1p(-np.minimum(probability, 1.0))


def kramers_slope(barriers: Sequence[float], times: Sequence[float], escapes: Sequence[int]) -> pd.Series:
    """Fit `log time = intercept + slope * barrier/temperature`; Kramers' rule says slope 1.

    Weighted least squares, as the logarithm of a mean of n exponential times has variance 1/n.

    Args:
        barriers: Barrier height over temperature of each group, at least two different ones.
        times: Mean escape times, in any one unit of steps times learning rate.
        escapes: Numbers of escapes that they rest on.

    Returns:
        slope, low and high (95 % interval), intercept, and chi2, the sum of squared standardized residuals.

    Raises:
        ValueError: There are fewer than two barriers, or a group without an escape.
    """
    x, y, w = (np.asarray(values, float) for values in (barriers, np.log(times), escapes))
    if len(np.unique(x)) < 2 or not (w > 0).all():
        raise ValueError(f"at least two barriers, all with escapes, are needed, but got {x} with {w} escapes")
    centre = np.average(x, weights=w)
    spread = (w * (x - centre) ** 2).sum()
    slope = (w * (x - centre) * y).sum() / spread
    intercept = np.average(y, weights=w) - slope * centre
    half = scipy.special.ndtri(0.975) / np.sqrt(spread)
    chi2 = (w * (y - intercept - slope * x) ** 2).sum()
    return pd.Series(
        {"slope": slope, "low": slope - half, "high": slope + half, "intercept": intercept, "chi2": chi2}
    )
