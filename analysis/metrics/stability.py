"""Training stability: how often the training loss jumps above what it had already reached."""

from __future__ import annotations

import pandas as pd

from analysis.trials import at_scale_one, with_significant
from analysis.workloads import by_workload

STABILITY_COLUMNS = ["task", "label", "optimizer", "lr", "weight_decay", "unstable", "seeds"]


def unstable_share(curves: pd.DataFrame, *, factor: float = 2.0) -> pd.DataFrame:
    """Measure per trial the share of epochs whose training loss is above a multiple of its running minimum.

    The running minimum is over all earlier epochs, the initialization (epoch 0) among them; epoch 0 itself is
    not counted. A loss that is not finite counts as a jump; a trial without an epoch has no share.

    Args:
        curves: One row per trial, epoch and split, with the columns trial_id, epoch, split and loss.
        factor: The multiple, at least 1.

    Returns:
        One row per trial with an epoch, sorted by trial_id, with the columns trial_id, epochs (how many were
        counted) and unstable (the share).

    Raises:
        ValueError: `factor` is below 1.
    """
    if not factor >= 1:
        raise ValueError(f"factor must be at least 1, but got {factor}")
    train = curves[curves["split"] == "train"].sort_values(["trial_id", "epoch"])
    lowest = train.groupby("trial_id")["loss"].cummin().groupby(train["trial_id"]).shift()
    calm = train["loss"] <= factor * lowest
    counted = pd.DataFrame({"trial_id": train["trial_id"], "unstable": ~calm})[train["epoch"] > 0]
    table = counted.groupby("trial_id")["unstable"].agg(epochs="size", unstable="mean")
    return table.reset_index()


def stability(trials: pd.DataFrame, curves: pd.DataFrame, *, factor: float = 2.0) -> pd.DataFrame:
    """Average `unstable_share` over the seeds of each cell of the grid at gradient scale 1.

    A trial that was stopped counts as unstable in all epochs that it did not run: its loss never came back.

    Args:
        trials: One row per run, with the columns trial_id, task, label, optimizer, lr, weight_decay, grad_scale,
            role, status, stopped_step and epochs.
        curves: As for `unstable_share`.
        factor: As for `unstable_share`.

    Returns:
        One row per cell, sorted, with the columns task, label, optimizer, lr, weight_decay, unstable (the mean
        share) and seeds. Failed runs are left out.
    """
    trials = by_workload(trials)
    on_grid = (trials["role"] == "grid") & at_scale_one(trials["grad_scale"])
    kept = with_significant(trials[on_grid & (trials["status"] != "failed")])
    shares = unstable_share(curves, factor=factor).rename(columns={"epochs": "taken"})
    runs = kept.merge(shares, on="trial_id", how="left", validate="one_to_one")
    # curves may have a point every few epochs only: it is diverged runs that have epochs which were never run
    taken = runs["taken"].fillna(0).astype(float)
    wanted = runs["epochs"].astype(float).where(runs["stopped_step"].notna(), taken)
    missing = (wanted - taken).clip(lower=0)
    jumps = runs["unstable"].fillna(0.0) * taken + missing
    runs["unstable"] = jumps / (taken + missing)
    by = STABILITY_COLUMNS[:5]
    table = runs.groupby(by, dropna=False)["unstable"].agg(unstable="mean", seeds="count")
    return table.reset_index()[STABILITY_COLUMNS]
