"""Which trials a study measures beyond training them: flatness, at all cells or at the selected ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from analysis import selected_cells
from studies.trials import Trial


def unmeasured(rows: pd.DataFrame) -> set[str]:
    """Return the ids of completed trials whose flatness was not measured."""
    lacking = (rows["status"] == "completed") & rows["lambda_max"].isna()
    return set(rows.loc[lacking, "trial_id"])


def to_measure(trials: Sequence[Trial], rows: pd.DataFrame) -> list[Trial]:
    """Return the trials that ``flatness: selected`` trains again, measured; their rows replace the old ones.

    They are all trials at each label's validation-best cell, at gradient scale 1. A measurement needs the trained
    weights, which are not stored, and which cell is selected is known only when the grid is done. The runs depend on
    their settings alone, so all else in a row but its time comes out the same.

    Args:
        trials: The study's.
        rows: The stored rows.
    """
    planned = {trial.trial_id: trial for trial in trials}
    here = rows[rows["trial_id"].isin(planned.keys())]
    if here.empty:
        return []
    best = selected_cells(here)[["task", "label", "lr", "weight_decay"]]
    at_best = here[here["grad_scale"] == 1].merge(best, on=["task", "label", "lr", "weight_decay"])
    lacking = set(at_best["trial_id"]) & unmeasured(here)
    chosen = [trial for trial in trials if trial.trial_id in lacking]
    return [replace(trial, settings=replace(trial.settings, flatness=True)) for trial in chosen]
