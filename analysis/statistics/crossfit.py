"""Cross-fitting: the best cell by the other seeds, from which the loss at every cell is measured.

The minimum of many noisy cells lies below the truth. A cell that is chosen on the other seeds and measured on
this one has no such luck, so that differences from it are not inflated.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.rounding import rounded
from analysis.trials import CELL


def with_reference_cell(grid: pd.DataFrame) -> pd.DataFrame:
    """Add to every row the cell that the other seeds of its label choose, and that cell's error at the row's seed.

    Args:
        grid: Output of `analysis.trials.grid_runs`.

    Returns:
        The rows with the columns reference_lr, reference_weight_decay, reference_error (the cell's validation
        error at the row's own seed) and cross_fitted (False where no other seed has a cell in common with
        this one; the reference is then this seed's own best). Ties go to the smaller lr, then to the smaller
        weight decay.
    """
    error = grid["val_error"]
    cells = grid.groupby(CELL, dropna=False)["val_error"]
    others = cells.transform("count") - 1
    means = (cells.transform("sum") - error) / others.where(others > 0)
    mean_of_others = rounded(means, grid["task"], grid)
    surface = [grid["task"], grid["label"], grid["seed"]]
    cross_fitted = mean_of_others.groupby(surface).transform("count") > 0
    # rows are in the order of lr and weight decay, and idxmin takes the first of equals
    score = mean_of_others.where(cross_fitted, rounded(error, grid["task"], grid)).fillna(np.inf)
    reference = grid.iloc[score.groupby(surface).transform("idxmin").to_numpy()]
    return grid.assign(
        reference_lr=reference["lr"].to_numpy(),
        reference_weight_decay=reference["weight_decay"].to_numpy(),
        reference_error=reference["val_error"].to_numpy(),
        cross_fitted=cross_fitted,
    )
