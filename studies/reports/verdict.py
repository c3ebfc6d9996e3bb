"""The verdict that a study declares, on its rows."""

from __future__ import annotations

from typing import Any

import pandas as pd

import analysis
from studies.spec.verdict import VerdictSpec


def judge_study(verdict: VerdictSpec, rows: pd.DataFrame) -> dict[str, analysis.Verdict]:
    """Return the verdict on each candidate, by its label.

    Args:
        verdict: What the study asks for.
        rows: Of the study.

    Raises:
        ValueError: If the rows do not suffice; the message says what is missing.
    """
    arguments: dict[str, Any] = {name: getattr(verdict, name) for name in VerdictSpec.model_fields}
    return analysis.verdicts(rows, candidates=arguments.pop("candidate"), **arguments)


def judged(declared: VerdictSpec | str, rows: pd.DataFrame) -> dict[str, analysis.Verdict] | str:
    """Return the verdict on each candidate, or why there is none.

    Args:
        declared: What the study asks for, or why there is nothing.
        rows: Of the study.
    """
    if isinstance(declared, str):
        return f"no verdict: {declared}"
    try:
        return judge_study(declared, rows)
    except ValueError as error:
        return f"no verdict: {error}"


def verdict_lines(verdict: VerdictSpec | None, rows: pd.DataFrame) -> list[str]:
    """Say a study's verdict, a sentence for each candidate, or why there is none; nothing if it asks for none.

    Args:
        verdict: What the study asks for.
        rows: Of the study.
    """
    if verdict is None:
        return []
    verdicts = judged(verdict, rows)
    if isinstance(verdicts, str):
        return [f"{verdicts[0].upper()}{verdicts[1:]}."]
    return [one.sentence() for one in verdicts.values()]
