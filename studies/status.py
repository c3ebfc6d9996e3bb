"""How far a study is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from studies.plan import plan
from studies.results import open_existing
from studies.spec import StudySpec


def status(location: str | Path) -> pd.DataFrame:
    """Return, for each optimizer of the study in a folder and for all, how many trials are where.

    Returns:
        Columns ``optimizer``, ``planned``, ``completed``, ``diverged``, ``failed``, ``missing``; last row ``all``.

    Raises:
        StoreError: If the folder holds no study.
    """
    store = open_existing(location)
    spec = StudySpec.from_text(store.read_study() or "", source=f"{location}/study.yaml")
    planned = pd.DataFrame(
        [(trial.trial_id, trial.label) for trial in plan(spec, set()).trials], columns=["trial_id", "optimizer"]
    )
    merged = planned.merge(store.rows()[["trial_id", "status"]], on="trial_id", how="left")
    merged["status"] = merged["status"].fillna("missing")
    counts = pd.crosstab(merged["optimizer"], merged["status"]).reindex(planned["optimizer"].unique())
    counts = counts.reindex(columns=["completed", "diverged", "failed", "missing"], fill_value=0)
    counts.insert(0, "planned", counts.sum(axis=1))
    counts.loc["all"] = counts.sum()
    return counts.rename_axis("optimizer").reset_index().rename_axis(None, axis=1)
