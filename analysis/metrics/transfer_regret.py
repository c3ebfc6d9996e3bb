"""Transfer regret T: what is lost by tuning at one gradient scale and training at another.

The gradient scale changes with the units of the loss, with mixed precision and with summing or averaging over a
batch; an optimizer that is robust to it can be tuned at one scale and used at another. T is cross-fitted like S: at
the cell that a seed would choose for itself, the error at scale 1 is too low by that seed's luck, and T too large.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.metrics.reference_gap import REFERENCES, reference_gaps, share_lost
from analysis.statistics.crossfit import with_reference_cell
from analysis.statistics.intervals import mean_interval
from analysis.trials import at_scale_one, errors, grid_runs, in_own_metric

_SEED = ["task", "label", "optimizer", "seed"]
_REFERENCE = ["reference_lr", "reference_weight_decay"]


def transfer_regret(trials: pd.DataFrame, *, references: Sequence[str] = REFERENCES) -> pd.DataFrame:
    """Compute T per task, label and seed.

    With m(h, s; c) the validation error of cell h = (lr, weight_decay) at seed s and gradient scale c,

        T_s = mean over c != 1 of min(1, (m(h*, s; c) - m(h*, s; 1)) / D_w),

    where h* is the cell with the lowest mean error over the *other* seeds at c = 1, and D_w is what
    `analysis.metrics.reference_gap.reference_gaps` gives. A run that diverged at c counts as 1. Values are clipped
    at 1 only: below 0 they are the luck of a seed, or a c that suits h* better than 1 does.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        references: The optimizers whose best error enters D_w.

    Returns:
        One row per task, label and seed with a usable grid run at c = 1 (the rows of `sensitivity`), with the
        columns task, label, optimizer, seed, transfer_regret, scales (how many c were averaged),
        missing_scales (at how many other c of the label's grid h* has no usable run with this seed),
        reference_lr, reference_weight_decay, cross_fitted (False where no other seed has a cell in common
        with this one; h* is then this seed's own best, and T too large), d_w and d_w_source. transfer_regret
        is NaN where scales is 0 or d_w is not above 0.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
        TypeError: `references` is a single string.
    """
    runs = errors(trials)
    chosen = with_reference_cell(grid_runs(runs)).drop_duplicates(_SEED)
    chosen = chosen[[*_SEED, *_REFERENCE, "reference_error", "cross_fitted"]]
    chosen = chosen.merge(reference_gaps(runs, references), on="task", validate="many_to_one")
    elsewhere = runs[(runs["role"] == "grid") & ~at_scale_one(runs["grad_scale"])]
    planned = elsewhere.groupby(["task", "label"])["grad_scale"].nunique().rename("planned").reset_index()
    used = chosen.merge(
        elsewhere.loc[~elsewhere["failed"], [*_SEED, "lr", "weight_decay", "val_error", "diverged"]],
        left_on=[*_SEED, *_REFERENCE],
        right_on=[*_SEED, "lr", "weight_decay"],
        validate="one_to_many",
    )
    used["lost"] = share_lost(used)
    means = used.groupby(_SEED, as_index=False).agg(transfer_regret=("lost", "mean"), scales=("lr", "size"))
    table = chosen.merge(means, on=_SEED, how="left", validate="one_to_one")
    table = table.merge(planned, on=["task", "label"], how="left", validate="many_to_one")
    table["scales"] = table["scales"].fillna(0).astype("int64")
    table["missing_scales"] = table["planned"].fillna(0).astype("int64") - table["scales"]
    head = [*_SEED, "transfer_regret", "scales", "missing_scales"]
    return in_own_metric(table[[*head, *_REFERENCE, "cross_fitted", "d_w", "d_w_source"]], trials)


def mean_transfer_regret(per_seed: pd.DataFrame) -> pd.DataFrame:
    """Average T over seeds, with a 95 % t-interval.

    Args:
        per_seed: Output of `transfer_regret`.

    Returns:
        One row per task and label with the columns task, label, transfer_regret (mean), sd, n (seeds), low
        and high.
    """
    table = mean_interval(per_seed, "transfer_regret", ["task", "label"])
    return table.rename(columns={"mean": "transfer_regret"})
