"""The verdict that a study declares, given on its rows: or why there is none."""

from __future__ import annotations

from typing import Any

import pandas as pd

import analysis
from analysis.judgement.study_verdicts import StudyVerdicts
from analysis.summaries.report_tables import tasks_without_accuracy
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


def judged(declared: VerdictSpec | str, rows: pd.DataFrame) -> StudyVerdicts:
    """Return the verdict on each candidate, or why there is none.

    Args:
        declared: What the study asks for, or why there is nothing.
        rows: Of the study.
    """
    if isinstance(declared, str):
        return StudyVerdicts(reason=f"no verdict: {declared}")
    without = tasks_without_accuracy(rows)
    if without:
        return StudyVerdicts(reason=f"no verdict: no accuracy in the rows of {', '.join(without)}")
    try:
        return StudyVerdicts(judge_study(declared, rows))
    except ValueError as error:
        return StudyVerdicts(reason=f"no verdict: {error}")


def verdict_lines(verdict: VerdictSpec | None, rows: pd.DataFrame) -> list[str]:
    """Return a sentence for each candidate, or one that says why there is no verdict; none if none is asked for.

    Args:
        verdict: What the study asks for.
        rows: Of the study.
    """
    if verdict is None:
        return []
    verdicts = judged(verdict, rows)
    if not verdicts.by_candidate:
        return [verdicts.reason_sentence()]
    return [one.sentence() for one in verdicts.by_candidate.values()]
