"""How far a study is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from studies.results import open_existing
from studies.spec import StudySpec
from studies.trials import in_study, planned_cells

STATUSES = ["completed", "diverged", "failed"]


def status(location: str | Path) -> pd.DataFrame:
    """Return, for each optimizer of the study in a folder and for all, how many trials are where.

    Returns:
        Columns ``optimizer``, ``planned``, ``completed``, ``diverged``, ``failed``, ``missing``; the last row
        is ``all``.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is not valid.
    """
    store = open_existing(location)
    spec = StudySpec.from_text(store.read_study() or "", source=f"{location}/study.yaml")
    planned = planned_cells(spec)["label"].value_counts(sort=False) * len(spec.seeds)
    rows = in_study(store.rows(), spec)
    counts = pd.crosstab(rows["label"], rows["status"])
    counts = counts.reindex(index=planned.index, columns=STATUSES, fill_value=0)
    counts.insert(0, "planned", planned)
    counts["missing"] = counts["planned"] - counts[STATUSES].sum(axis=1)
    counts.loc["all"] = counts.sum()
    return counts.rename_axis("optimizer").reset_index().rename_axis(None, axis=1)
