"""Where elementwise and global second moments disagree, layer by layer."""

from __future__ import annotations

import pandas as pd

from analysis.workloads import by_workload

DISTORTION_COLUMNS = ["task", "label", "epoch", "layer", "low", "median", "high", "spread", "zeros", "runs"]


def distortion(trials: pd.DataFrame, diagnostics: pd.DataFrame) -> pd.DataFrame:
    """Average the offset of `log10 v` from `log10 G` over runs, per label, epoch and layer.

    An optimizer that divides by the elementwise `sqrt(v)` takes steps `sqrt(G / v)` times as large as one that
    divides by the global `sqrt(G)`: an offset of -2 decades means steps 10 times as large. Where all offsets are
    near 0 the two are the same optimizer, and mixing them changes nothing.

    Args:
        trials: One row per run to average, such as those at the selected cell, with the columns trial_id, task
            and label.
        diagnostics: One row per trial, epoch and layer, with the columns trial_id, epoch, layer, zeros, log_v_low,
            log_v_median, log_v_high and log_global.

    Returns:
        One row per task, label, epoch and layer, layers in the model's order, with the columns task, label, epoch,
        layer, low, median and high (5, 50 and 95 % quantiles of `log10 v` minus `log10 G`, decades), spread (high
        minus low), zeros (share of elements with v = 0, left out of the quantiles) and runs.
    """
    joined = diagnostics.merge(by_workload(trials)[["trial_id", "task", "label"]], on="trial_id")
    order = {layer: index for index, layer in enumerate(pd.unique(joined["layer"]))}
    for name in ("low", "median", "high"):
        joined[name] = joined[f"log_v_{name}"] - joined["log_global"]
    joined["depth"] = joined["layer"].map(order)
    groups = joined.groupby(["task", "label", "epoch", "depth", "layer"])
    means = groups[["low", "median", "high", "zeros"]].mean()
    table = means.assign(spread=means["high"] - means["low"], runs=groups.size())
    return table.reset_index()[DISTORTION_COLUMNS]
