"""How far a study is."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from studies.asked import read_progress

STATUSES = ["completed", "diverged", "failed"]


def status(location: str | Path) -> pd.DataFrame:
    """Return, for each optimizer of the study in a folder and for all, how many trials are where.

    Where a search was begun, each of its points has a line too.

    Returns:
        Columns ``optimizer``, ``planned``, ``completed``, ``diverged``, ``failed``, ``missing``; the last row
        is ``all``.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is not valid.
    """
    asked = read_progress(location)
    planned = pd.Series(asked.planned, dtype="int64")
    counts = pd.crosstab(asked.rows["label"], asked.rows["status"])
    counts = counts.reindex(index=planned.index, columns=STATUSES, fill_value=0)
    counts.insert(0, "planned", planned)
    counts["missing"] = counts["planned"] - counts[STATUSES].sum(axis=1)
    counts.loc["all"] = counts.sum()
    return counts.rename_axis("optimizer").reset_index().rename_axis(None, axis=1)


def failures(rows: pd.DataFrame) -> list[str]:
    """Return a line for each failed trial: which it is, and why it failed."""
    broken = rows[rows["status"] == "failed"]
    return [
        f"{row.trial_id} {row.label} lr={row.lr:g} seed={row.seed}: {row.reason}"
        for row in broken.itertuples(index=False)
    ]
