"""Whether a verdict hangs on what is called divergence: a run that became non-finite, or one that ended worse too.

An older convention counts a run that ends above its initial loss as diverged, whatever its accuracy. Either can be
defended, so a verdict says whether the other would have decided otherwise.
"""

from __future__ import annotations

import pandas as pd

CONVENTION = "a run that ends above its initial loss counts as diverged"


def older_convention(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the rows as an older convention reads them: a run that ends above its initial loss has diverged.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them; where they have no column final_over_initial, they
            are returned as they are.
    """
    if "final_over_initial" not in trials.columns:
        return trials
    ratio = trials["final_over_initial"].astype(float)
    above = (trials["status"] == "completed").fillna(False).astype(bool) & (ratio > 1)
    return trials.assign(status=trials["status"].mask(above, "diverged"))


def convention_sentence(decisions: pd.Series, older: pd.Series) -> str:
    """Say whether the older convention would decide otherwise.

    Args:
        decisions: By part.
        older: The same by the older convention.
    """
    changed = [f"{part} {older[part]} for {decisions[part]}" for part in decisions.index[decisions != older]]
    what = f"would differ: {', '.join(changed)}" if changed else "would differ in none"
    return f"By the older convention of divergence ({CONVENTION}) the decisions {what}"
