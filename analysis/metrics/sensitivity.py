"""Sensitivity S: what is lost on average by a learning rate and a weight decay that were not tuned.

The learning-rate sensitivity of Wortsman et al. 2023 (https://arxiv.org/abs/2309.14322), normalized by task
and taken over learning rate and weight decay. It is cross-fitted: the minimum of many noisy cells lies below
the truth, and measuring every cell from it would inflate S, most of all for optimizers whose surface is flat.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.metrics.reference_gap import REFERENCES, reference_gaps, share_lost
from analysis.statistics.crossfit import with_reference_cell
from analysis.statistics.intervals import mean_interval
from analysis.trials import errors, grid_runs, in_own_metric

WINDOW_DECADES = 1.5
"""Learning rates within this many decades of the best one take part."""

WINDOW_SLACK = 1e-3
"""Decades by which written rates may miss the window's edge and still count as lying on it."""


def sensitivity(trials: pd.DataFrame, *, references: Sequence[str] = REFERENCES) -> pd.DataFrame:
    """Compute S per task, label and seed.

    With m(h, s) the validation error of cell h = (lr, weight_decay) at seed s and gradient scale 1,

        S_s = mean over h of min(1, (m(h, s) - m(h*, s)) / D_w),

    where h* is the cell with the lowest mean error over the *other* seeds, h runs over all weight decays and
    all lr within 1.5 decades of h*'s lr, and D_w is what `analysis.metrics.reference_gap.reference_gaps` gives. A
    diverged run counts as 1. Values are clipped at 1 only: below 0 they are the luck of a seed, and clipping
    them would bias S upwards. 0 is a flat surface; at 1 everything is lost away from the best cell.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        references: The optimizers whose best error enters D_w.

    Returns:
        One row per task, label and seed with a usable grid run, with the columns task, label, optimizer,
        seed, sensitivity, cells (how many were averaged), reference_lr (the lr* of the window),
        reference_weight_decay, cross_fitted (False where no other seed has a cell in common with this one; h*
        is then this seed's own best, and S too large), d_w and d_w_source. sensitivity is NaN where d_w is
        not above 0. Ties go to the smaller lr, then to the smaller weight decay.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
        TypeError: `references` is a single string.
    """
    runs = errors(trials)
    gaps = reference_gaps(runs, references)
    grid = with_reference_cell(grid_runs(runs))
    grid = grid.merge(gaps, on="task", validate="many_to_one")
    distance = (grid["lr"] / grid["reference_lr"]).transform(np.log10).abs()
    # rates are written with 6 digits or fewer: three times half a decade may come to a little more than 1.5
    grid = grid[distance <= WINDOW_DECADES + WINDOW_SLACK]
    grid = grid.assign(lost=share_lost(grid))
    table = grid.groupby(["task", "label", "optimizer", "seed"], as_index=False).agg(
        sensitivity=("lost", "mean"),
        cells=("lr", "size"),
        reference_lr=("reference_lr", "first"),
        reference_weight_decay=("reference_weight_decay", "first"),
        cross_fitted=("cross_fitted", "first"),
        d_w=("d_w", "first"),
        d_w_source=("d_w_source", "first"),
    )
    return in_own_metric(table, trials)


def mean_sensitivity(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Average S over seeds, with a 95 % t-interval.

    Args:
        per_seed: Output of `sensitivity`.

    Returns:
        One row per task and label with the columns task, label, sensitivity (mean), sd, n (seeds), low and
        high.
    """
    table = mean_interval(per_seed, "sensitivity", ["task", "label"])
    return table.rename(columns={"mean": "sensitivity"})
