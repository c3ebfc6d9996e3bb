"""The verdict: does a candidate keep one optimizer's robustness and another one's generalization?

Three non-inferiority tests, each against the reference that is good at it, and all of them must hold (an
intersection-union test: Berger 1982, https://doi.org/10.1080/00401706.1982.10487790). docs/verdict.md gives the
rule, the source of each choice, and the error rates by simulation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from analysis.judgement.convention import convention_sentence, older_convention
from analysis.judgement.endpoints import endpoints, in_metrics, in_shares
from analysis.judgement.noninferiority import MarginInForce, Margins
from analysis.judgement.problems import PROBLEMS
from analysis.judgement.rule import Judged, conclude, judge
from analysis.judgement.validity import check, column, readable
from analysis.judgement.verdict import Verdict
from analysis.labels import did_you_mean
from analysis.task_metric import task_metrics
from analysis.trials import errors
from analysis.workloads import by_workload


def verdict(
    trials: pd.DataFrame,
    *,
    candidate: str,
    robustness_reference: str = "adamw",
    generalization_reference: str = "sgd",
    margins: Margins | None = None,
    alpha: float = 0.05,
    allow: Iterable[str] = (),
) -> Verdict:
    """Judge whether a candidate keeps one reference's robustness and another one's generalization.

    With S, T and E as in `analysis.endpoints`, means over workloads of differences of means over seeds (stratified
    Welch; `analysis.statistics.welch.Sample` has the variances), and one-sided tests at level alpha, all of these
    must be rejected:

        R1: S_candidate - S_robust >= margin    R2: T_candidate - T_robust >= margin
        G:  E_candidate - E_general >= margin

    'keeps both': all three are. 'not kept': for one of them the lower bound exceeds the margin, even where
    that is cut at the gap's upper bound. 'not testable': for one of them the references do not differ, or
    there are no values. 'invalid': `check` found a problem that `allow` does not name. Otherwise 'inconclusive'. The
    conclusion is the first that applies of invalid, not kept, not testable, inconclusive and keeps both.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        candidate: A value of the column `label`.
        robustness_reference: The label whose S and T are to be kept.
        generalization_reference: The label whose E is to be kept.
        margins: How much worse still counts as kept; default `Margins()`. Each is cut to half the lower
            bound of the gap between the references where that is smaller. Where its margin of E is a share, E is
            judged in shares of each task's D_w.
        alpha: Level of each one-sided test.
        allow: Names of `PROBLEMS` that do not make the verdict invalid.

    Raises:
        ValueError: There are no rows, a label is not in them, two of the three labels are the same, a label
            has one seed only, alpha, a margin or a name in `allow` is not valid, or the rows are not as `REQUIRED`
            says.
    """
    by_candidate = verdicts(
        trials,
        candidates=[candidate],
        robustness_reference=robustness_reference,
        generalization_reference=generalization_reference,
        margins=margins,
        alpha=alpha,
        allow=allow,
    )
    return by_candidate[candidate]


def verdicts(
    trials: pd.DataFrame,
    *,
    candidates: Sequence[str],
    robustness_reference: str = "adamw",
    generalization_reference: str = "sgd",
    margins: Margins | None = None,
    alpha: float = 0.05,
    allow: Iterable[str] = (),
) -> dict[str, Verdict]:
    """Judge several candidates as `verdict` judges one, with Holm's correction over candidates x parts.

    Args:
        trials: Rows as `analysis.trials.REQUIRED` describes them.
        candidates: Values of the column `label`.
        robustness_reference: The label whose S and T are to be kept.
        generalization_reference: The label whose E is to be kept.
        margins: How much worse still counts as kept.
        alpha: Level of each one-sided test, before the correction.
        allow: Names of `PROBLEMS` that do not make a verdict invalid.

    Returns:
        The verdict of each candidate, in their order.

    Raises:
        ValueError: As `verdict`, or a candidate is given twice.
        TypeError: `candidates` or `allow` is a single string.
    """
    allowed = _names(allow, "allow")
    asked = _names(candidates, "candidates")
    references = (robustness_reference, generalization_reference)
    _check_arguments(trials, asked, references, alpha, allowed)
    trials = by_workload(trials)
    declared = margins if margins is not None else Margins()
    used = {name: trials[trials["label"].isin([name, *references])] for name in asked}
    problems = {name: check(rows) for name, rows in used.items()}
    runs = {name: errors(readable(rows)) for name, rows in used.items()}
    metrics = {task: metric for rows in runs.values() for task, metric in task_metrics(rows).items()}
    margin = declared.for_metrics(metrics.values())
    in_force = Margins(declared.robustness, margin.value)
    known = {name: endpoints(rows, references=references) for name, rows in runs.items()}
    values = {name: _as_judged(known[name], rows, references, margin) for name, rows in runs.items()}
    judged = judge(values, references, in_force, alpha)
    conventions = _conventions(used, values, judged, references, margin, in_force, alpha)
    results = {}
    for name in asked:
        present = set(problems[name]["problem"])
        tables = judged[name]
        if not present <= set(allowed):
            tables = replace(tables, parts=tables.parts.assign(decision="invalid"))
        results[name] = Verdict(
            candidate=name,
            robustness_reference=robustness_reference,
            generalization_reference=generalization_reference,
            conclusion=conclude(tables.parts["decision"]),
            **vars(tables),
            endpoints=in_metrics(known[name], metrics),
            problems=problems[name],
            allowed=tuple(problem for problem in PROBLEMS if problem in present & set(allowed)),
            margins=declared,
            generalization=margin,
            alpha=alpha,
            compared=len(asked),
            convention=conventions[name] if conclude(tables.parts["decision"]) != "invalid" else "",
        )
    return results


def _conventions(
    used: Mapping[str, pd.DataFrame],
    values: Mapping[str, pd.DataFrame],
    judged: Mapping[str, Judged],
    references: tuple[str, str],
    margin: MarginInForce,
    in_force: Margins,
    alpha: float,
) -> dict[str, str]:
    """Say of each candidate whether the older convention of divergence decides otherwise; '' where rows cannot tell.

    Args:
        used: The rows of each candidate and the references.
        values: The endpoints of each as they are judged.
        judged: What the rule says of them.
        references: As `judge` takes them.
        margin: The margin of E.
        in_force: The margins as `judge` takes them.
        alpha: Level of each one-sided test.
    """
    telling = {name: rows for name, rows in used.items() if "final_over_initial" in rows.columns}
    older = {name: older_convention(rows) for name, rows in telling.items()}
    changed = [name for name, rows in telling.items() if not older[name]["status"].equals(rows["status"])]
    then = judged
    if changed:
        runs = {name: errors(readable(older[name])) for name in changed}
        anew = {
            name: _as_judged(endpoints(rows, references=references), rows, references, margin)
            for name, rows in runs.items()
        }
        then = judge({**values, **anew}, references, in_force, alpha)
    sentences = {
        name: convention_sentence(judged[name].parts["decision"], then[name].parts["decision"])
        for name in telling
    }
    return dict.fromkeys(used, "") | sentences


def _as_judged(
    values: pd.DataFrame, runs: pd.DataFrame, references: tuple[str, str], margin: MarginInForce
) -> pd.DataFrame:
    """Return endpoints in the unit of the margin of E."""
    return in_shares(values, runs, references) if margin.in_shares else values


def _names(names: Iterable[str], parameter: str) -> list[str]:
    if isinstance(names, str):
        raise TypeError(f"{parameter} must be a sequence of names, but got the string {names!r}")
    listed = list(names)
    twice = [name for name in listed if listed.count(name) > 1]
    if twice:
        raise ValueError(
            f"{parameter} must not repeat a name, but got {twice[0]!r} {listed.count(twice[0])} times"
        )
    return listed


def _check_arguments(
    trials: pd.DataFrame,
    candidates: Sequence[str],
    references: tuple[str, str],
    alpha: float,
    allowed: Sequence[str],
) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must be in (0, 0.5), but got {alpha}")
    if not candidates:
        raise ValueError("candidates must name at least one label, but is empty")
    for name in allowed:
        if name not in PROBLEMS:
            raise ValueError(
                f"allow must name what check finds, but got {name!r}{did_you_mean(name, PROBLEMS)}; "
                f"known: {', '.join(PROBLEMS)}"
            )
    if trials.empty:
        raise ValueError("trials must have at least one row, but has none")
    labels = sorted(column(trials, "label").dropna().astype("str").unique())
    asked = [("candidate", name) for name in candidates]
    asked += zip(("robustness_reference", "generalization_reference"), references, strict=True)
    for role, name in asked:
        if name not in labels:
            raise ValueError(
                f"{role} must be a label of the trials, but got {name!r}{did_you_mean(name, labels)}; "
                f"labels: {', '.join(labels)}"
            )
    for name in candidates:
        if len({name, *references}) < 3:
            raise ValueError(
                "candidate, robustness_reference and generalization_reference must be three labels, but got "
                f"{name!r}, {references[0]!r} and {references[1]!r}"
            )
