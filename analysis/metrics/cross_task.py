"""Cross-task sensitivity Phi: what one setting for all workloads loses against tuning on each.

Adkins, Bowling and White, "A Method for Evaluating Hyperparameter Sensitivity in Reinforcement Learning",
NeurIPS 2024 (https://arxiv.org/abs/2412.07165).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from analysis.metrics.reference_gap import REFERENCES, reference_gaps
from analysis.trials import cell_means, errors, grid_runs

FEWEST_WORKLOADS = 5
"""With fewer, Phi is not computed."""

ENOUGH = 0.95
"""The share of the tuned score that tuning fewer hyperparameters must reach."""

HYPERPARAMETERS = ("lr", "weight_decay")
_NO_DECAY = -1.0
CROSS_TASK_COLUMNS = [
    "label", "phi", "tuned_score", "shared_score", "lr", "weight_decay", "effective_hyperparameters",
    "workloads", "cells", "reason",
]  # fmt: skip


def cross_task_sensitivity(trials: pd.DataFrame, *, references: Sequence[str] = REFERENCES) -> pd.DataFrame:
    """Compute Phi and the effective number of hyperparameters to tune, per label.

    With m(h, w) the mean validation error over seeds of cell h = (lr, weight_decay) on workload w, at
    gradient scale 1, and the score Gamma(h, w) = max(0, (chance error - m(h, w)) / D_w), which is 0 at
    chance and 1 where the best reference is (`analysis.metrics.reference_gap.reference_gaps`),

        Phi = mean over w of max over h of Gamma - max over h of mean over w of Gamma,

    over the cells that the label has on every workload. The effective number of hyperparameters is the
    smallest number of those among lr and weight decay that have to be tuned on each workload, with the others
    kept at the best shared setting, to reach 95 % of the score of tuning all of them; 0 says that one setting
    serves all workloads. Maxima over noisy cells are taken on the same seeds, so Phi is a little too large.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them, of several workloads (column task).
        references: The optimizers whose best error enters D_w.

    Returns:
        One row per label with the columns label, phi, tuned_score (the first term), shared_score (the
        second), lr and weight_decay (the shared setting), effective_hyperparameters, workloads (how many the
        label has usable runs on), cells (how many it has on all of them) and reason: null, or why Phi is not
        available.

    Raises:
        ValueError: The rows are not as `REQUIRED` says.
        TypeError: `references` is a single string.
    """
    runs = errors(trials)
    grid = grid_runs(runs)
    cells = cell_means(grid).merge(reference_gaps(runs, references), on="task", validate="many_to_one")
    chance = grid[["task", "chance_error"]].drop_duplicates("task")
    cells = cells.merge(chance, on="task", validate="many_to_one")
    gained = (cells["chance_error"] - cells["val_error"]) / cells["d_w"].where(cells["d_w"] > 0)
    cells["score"] = gained.clip(lower=0)
    planned = runs.groupby("label")["task"].nunique()
    by_label = {str(label): part for label, part in cells.groupby("label")}
    records = [
        {"label": label, **_of_label(by_label.get(str(label), cells.iloc[:0]), int(tasks))}
        for label, tasks in planned.items()
    ]
    table = pd.DataFrame(records, columns=CROSS_TASK_COLUMNS)
    kinds = {"workloads": "int64", "cells": "int64", "effective_hyperparameters": "Int64"}
    texts: dict[str, str] = {"label": "str", "reason": "str"}
    numbers = dict.fromkeys(("phi", "tuned_score", "shared_score", *HYPERPARAMETERS), "float64")
    return table.astype(kinds | texts | numbers).replace({"weight_decay": {_NO_DECAY: np.nan}})


def _of_label(cells: pd.DataFrame, planned: int) -> dict[str, object]:
    # pandas cannot unstack an index that holds nulls
    cells = cells.fillna({"weight_decay": _NO_DECAY}).set_index([*HYPERPARAMETERS, "task"])
    scores = cells["score"].unstack("task")
    common = scores[cells["seeds"].unstack("task").notna().all(axis=1)]
    counts: dict[str, object] = {"workloads": scores.shape[1], "cells": len(common)}
    if max(planned, scores.shape[1]) < FEWEST_WORKLOADS:
        reason = f"not available: at least {FEWEST_WORKLOADS} workloads are needed"
    elif scores.shape[1] < planned:
        reason = f"not available: every run failed on {planned - scores.shape[1]} workloads"
    elif common.empty:
        reason = "not available: no cell is common to all workloads"
    elif common.isna().to_numpy().any():
        reason = "not available: no reference beats chance on every workload"
    else:
        return counts | _phi(common)
    return counts | {"reason": reason}


def _phi(common: pd.DataFrame) -> dict[str, object]:
    """Compute Phi of a matrix of cells by workloads."""
    score = common.to_numpy()
    shared = score.mean(axis=1).round(12)
    best = int(shared.argmax())
    tuned = float(score.max(axis=0).mean())
    levels = np.stack([pd.factorize(common.index.get_level_values(name))[0] for name in HYPERPARAMETERS])
    result: dict[str, object] = dict(zip(HYPERPARAMETERS, common.index[best], strict=True))
    result |= {"phi": tuned - shared[best], "tuned_score": tuned, "shared_score": shared[best]}
    sizes = []
    for count in range(len(HYPERPARAMETERS) + 1):
        for free in combinations(range(len(HYPERPARAMETERS)), count):
            kept = [axis for axis in range(len(HYPERPARAMETERS)) if axis not in free]
            near = (levels[kept] == levels[kept, best][:, None]).all(axis=0)
            if score[near].max(axis=0).mean() >= ENOUGH * tuned - 1e-12:
                sizes.append(count)
    return result | {"effective_hyperparameters": min(sizes)}
