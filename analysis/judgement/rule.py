"""The rule of the verdict, as a pure function of endpoint values, so that it can be simulated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.judgement.endpoints import sample
from analysis.judgement.noninferiority import Margins, Part, Tested, preserved, run_test
from analysis.judgement.seeds_needed import seeds_needed
from analysis.statistics.holm import holm
from analysis.statistics.welch import Array

ENDPOINT_OF = {"R1": "S", "R2": "T", "G": "E"}
"""The endpoint of each part."""

FRACTION_OF = {"R1": "f_R", "R2": "f_T", "G": "f_G"}
"""The name of each part's preserved fraction."""

_NO_VALUES = {
    "S": "no task on which all three have a sensitivity",
    "T": "no task on which all three ran at a gradient scale other than 1",
    "E": "no task on which all three have a test result at the selected cell",
}


@dataclass(frozen=True)
class Judged:
    """The tables of a `Verdict`, before the rows are checked for validity."""

    parts: pd.DataFrame
    assay: pd.DataFrame
    preserved: pd.DataFrame
    seeds_needed: float | None


class _Case(NamedTuple):
    """One part of one candidate, with the tasks it rests on and those left out."""

    names: tuple[str, str, str]  # candidate, better and worse reference
    endpoint: str
    part: Part | None
    tested: Tested | None
    tasks: list[str]
    left_out: list[str]


def judge(
    values: Mapping[str, pd.DataFrame], references: tuple[str, str], margins: Margins, alpha: float
) -> dict[str, Judged]:
    """Apply the rule to endpoint values.

    Args:
        values: For each candidate's label, a table with the columns endpoint (S, T or E), task, label, seed
            and value, that holds the candidate and both references.
        references: The labels of the robustness and of the generalization reference.
        margins: As declared, the margin of E in the unit of its values.
        alpha: Level of each one-sided test. With several candidates, Holm's correction is over candidates x
            parts; with one there is none, since all its parts must hold.

    Returns:
        The tables of each candidate, as the attributes of `Verdict` describe them.

    Raises:
        ValueError: A label has one value only for an endpoint on a task.
    """
    by_candidate = {
        name: {key: _case(table, key, name, references, margins, alpha) for key in ENDPOINT_OF}
        for name, table in values.items()
    }
    tests = [case.tested for cases in by_candidate.values() for case in cases.values()]
    several = len(values) > 1
    kept, lost = (_adjusted(tests, side, several) for side in ("p_kept", "p_lost"))
    level = alpha / len(tests) if several else alpha  # Holm's first step, for the power
    results = {}
    for index, (name, cases) in enumerate(by_candidate.items()):
        rows = slice(index * len(cases), (index + 1) * len(cases))
        parts = [case.part for case in cases.values()]
        usable = [part for part in parts if part is not None]
        results[name] = Judged(
            _parts_table(cases, kept[rows], lost[rows], alpha, level),
            _assay_table(cases, alpha),
            _preserved_table(cases, 1 - alpha),
            seeds_needed(usable, level) if len(usable) == len(parts) else None,
        )
    return results


def conclude(decisions: Iterable[str]) -> str:
    """Return the conclusion from the decisions on the parts: the gravest of them, or 'keeps both'."""
    present = set(decisions)
    for conclusion in ("invalid", "not kept", "not testable", "inconclusive"):
        if conclusion in present:
            return conclusion
    return "keeps both"


def _case(
    values: pd.DataFrame, key: str, name: str, references: tuple[str, str], margins: Margins, alpha: float
) -> _Case:
    better, worse = reversed(references) if key == "G" else references
    names, endpoint = (name, better, worse), ENDPOINT_OF[key]
    mine = values[(values["endpoint"] == endpoint) & values["label"].isin(names)]
    having = mine.groupby("task")["label"].nunique()
    tasks = sorted(having.index[having == len(names)])
    left_out = sorted(set(values["task"]) - set(tasks))
    if not tasks:
        return _Case(names, endpoint, None, None, tasks, left_out)
    declared = margins.generalization if key == "G" else margins.robustness
    candidate, good, bad = (sample(mine, endpoint, label, tasks) for label in names)
    part = Part(candidate, good, bad, declared)
    return _Case(names, endpoint, part, run_test(part, alpha), tasks, left_out)


def _adjusted(tests: list[Tested | None], side: str, several: bool) -> Array:
    p = np.array([float(getattr(test, side)) if test else math.nan for test in tests])
    return holm(p) if several else p


def _decision(tested: Tested | None, kept: float, lost: float, alpha: float) -> str:
    if tested is None or not tested.testable:
        return "not testable"
    if kept < alpha:
        return "kept"
    return "not kept" if lost < alpha else "inconclusive"


def _parts_table(
    cases: Mapping[str, _Case], kept: Array, lost: Array, alpha: float, level: float
) -> pd.DataFrame:
    rows = {}
    for index, (key, case) in enumerate(cases.items()):
        test, nan = case.tested, math.nan
        candidate, better, worse = case.names
        rows[key] = {
            "endpoint": case.endpoint,
            "candidate": candidate,
            "reference": better,
            "worse_reference": worse,
            "workloads": len(case.tasks),
            "estimate": float(test.estimate.value) if test else nan,
            "low": float(test.estimate.lower(alpha)) if test else nan,
            "high": float(test.estimate.upper(alpha)) if test else nan,
            "margin": float(test.margin) if test else nan,
            "declared": case.part.declared if case.part else nan,
            "p": float(test.p_kept) if test else nan,
            "p_holm": kept[index],
            "decision": _decision(test, kept[index], lost[index], alpha),
            "seeds_needed": seeds_needed([case.part], level) if case.part else nan,
            "reason": _reason(case),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")


def _reason(case: _Case) -> str:
    _, better, worse = case.names
    if case.tested is None:
        return _NO_VALUES[case.endpoint]
    reasons = []
    if not case.tested.testable:
        reasons.append(f"{worse} is not significantly worse than {better} on {case.endpoint}")
    if case.left_out:
        reasons.append(f"without {', '.join(case.left_out)}, where one of the three has no value")
    return "; ".join(reasons)


def _assay_table(cases: Mapping[str, _Case], alpha: float) -> pd.DataFrame:
    rows = {}
    for key, case in cases.items():
        gap = case.tested.gap if case.tested else None
        rows[key] = {
            "endpoint": case.endpoint,
            "better": case.names[1],
            "worse": case.names[2],
            "gap": float(gap.value) if gap else math.nan,
            "low": float(gap.lower(alpha)) if gap else math.nan,
            "p": float(gap.p_above(np.zeros(()))) if gap else math.nan,
            "testable": bool(case.tested.testable) if case.tested else False,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")


def _preserved_table(cases: Mapping[str, _Case], level: float) -> pd.DataFrame:
    rows = {}
    for key, case in cases.items():
        numbers = [float(x) for x in preserved(case.part, level)] if case.part else [math.nan] * 3
        rows[key] = dict(zip(("name", "fraction", "low", "high"), (FRACTION_OF[key], *numbers), strict=True))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")
