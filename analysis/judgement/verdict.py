"""A verdict: what was judged, its tables, and its wording in plain text and as HTML for notebooks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import pandas as pd

from analysis.judgement.endpoints import Scale, endpoint_name, scale_of
from analysis.judgement.noninferiority import MarginInForce, Margins
from analysis.judgement.problems import PROBLEMS
from analysis.judgement.rule import ENDPOINT_OF


@dataclass(frozen=True, repr=False, eq=False)
class Verdict:
    """What `verdict` says of one candidate.

    Attributes:
        candidate: Its label.
        robustness_reference: The label whose S and T it is to keep.
        generalization_reference: The label whose E it is to keep.
        conclusion: 'keeps both', 'not kept', 'inconclusive', 'not testable' or 'invalid'.
        parts: Indexed by part (R1, R2, G): endpoint (S, T, E), candidate, reference, worse_reference,
            workloads (how many), estimate (candidate minus reference), low and high (its interval of level
            1 - 2 alpha, which mirrors the one-sided test), margin (in force), declared (margin), p
            (one-sided, of "worse by the margin or more"), p_holm (adjusted where several candidates were
            judged together), decision ('kept', 'not kept', 'inconclusive', 'not testable' or 'invalid'),
            seeds_needed (for this part alone; NaN where there are no values) and reason (in words, where
            something is missing). S and T are shares of D_w, E a proportion, or in the unit of `generalization`; a
            positive estimate is always worse.
        assay: Indexed by part: endpoint, better, worse (the references), gap (worse minus better), low (its
            one-sided bound of level 1 - alpha), p (of "the gap is 0 or less") and testable.
        preserved: Indexed by part: name (f_R, f_T, f_G), fraction, low and high (level 1 - alpha, Fieller).
        seeds_needed: Seeds per workload with which all parts would be kept with power 0.8 if the observed means
            and variances were the truth; inf where an estimate lies at or beyond its margin, None where a
            part has no values.
        endpoints: The values themselves, as `analysis.judgement.endpoints.endpoints` returns them.
        problems: What `check` found among the three labels.
        allowed: The problems that were overridden, by name.
        margins: As declared.
        generalization: The margin of E, with the metric of the tasks and whether it is a share of D_w.
        alpha: Level of each one-sided test.
        compared: How many candidates were judged together.
        convention: Whether an older convention of divergence would decide otherwise, as a sentence; empty where
            the rows do not say (no column final_over_initial) or no decision is made.
    """

    candidate: str
    robustness_reference: str
    generalization_reference: str
    conclusion: str
    parts: pd.DataFrame
    assay: pd.DataFrame
    preserved: pd.DataFrame
    seeds_needed: float | None
    endpoints: pd.DataFrame
    problems: pd.DataFrame
    allowed: tuple[str, ...]
    margins: Margins
    generalization: MarginInForce
    alpha: float
    compared: int
    convention: str = ""

    def sentence(self) -> str:
        """Return the verdict in one sentence."""
        return summary(self).partition("\n")[0]

    def summary(self) -> str:
        """Return the verdict in plain words: one sentence, then a line for each thing that it is based on."""
        return summary(self)

    def scale(self, part: str) -> Scale:
        """Return how the differences of a part are shown."""
        return scale_of(ENDPOINT_OF[part], self.generalization)

    def __repr__(self) -> str:
        return summary(self)

    def _repr_html_(self) -> str:
        return html(self)


def sentence(verdict: Verdict) -> str:
    """Return the conclusion as one sentence."""
    name = verdict.candidate
    both = (
        f"{verdict.robustness_reference}'s robustness and {verdict.generalization_reference}'s generalization"
    )
    if verdict.conclusion == "keeps both":
        return f"{name} keeps {both}."
    if verdict.conclusion == "invalid":
        why = ", ".join(_blocking(verdict))
        return f"Invalid: whether {name} keeps {both} cannot be concluded from these trials ({why})."
    if verdict.conclusion == "not kept":
        return f"Not kept: {_clauses(verdict)}."
    if verdict.conclusion == "not testable":
        return f"Not testable on this suite: {_clauses(verdict)}."
    return f"Inconclusive: {_clauses(verdict)}; {_more_seeds(verdict)}."


def summary(verdict: Verdict) -> str:
    """Return the verdict in one sentence, and a line for each thing that it is based on."""
    lines = [sentence(verdict), *_part_lines(verdict), *_fraction_lines(verdict)]
    if verdict.conclusion not in ("inconclusive", "invalid"):
        lines.append(f"Seeds: {_more_seeds(verdict)}.")
    if verdict.convention:
        lines.append(f"{verdict.convention}.")
    for row in verdict.problems.fillna("all labels").to_dict("records"):
        kind = "Overridden" if row["problem"] in verdict.allowed else "Invalid"
        lines.append(f"{kind}: {row['problem']} ({row['task']}, {row['label']}): {row['detail']}.")
    lines.append(_rule(verdict))
    return "\n".join(lines)


def html(verdict: Verdict) -> str:
    """Return the verdict as a piece of HTML; every name in it is escaped."""
    first, *rest = summary(verdict).splitlines()
    tables = [
        verdict.parts[["endpoint", "estimate", "low", "high", "margin", "p", "decision", "seeds_needed"]],
        verdict.assay,
        verdict.preserved,
    ]
    shown = "".join(table.to_html(escape=True, float_format="{:.4g}".format, border=0) for table in tables)
    lines = "".join(f"<li>{escape(line)}</li>" for line in rest)
    return f"<div><p><strong>{escape(first)}</strong></p><ul>{lines}</ul>{shown}</div>"


def _what(verdict: Verdict, keys: list[str]) -> str:
    """Name what the parts are about: 'adamw's robustness (sensitivity S) and sgd's generalization'."""
    robust = [endpoint_name(ENDPOINT_OF[key]) for key in keys if key != "G"]
    named = []
    if robust:
        detail = "" if len(robust) == 2 else f" ({robust[0]})"
        named.append(f"{verdict.robustness_reference}'s robustness{detail}")
    if "G" in keys:
        named.append(f"{verdict.generalization_reference}'s generalization")
    return " and ".join(named)


def _clauses(verdict: Verdict) -> str:
    """Say for each decision which parts it applies to: first what is kept, then the others, the gravest first."""
    forms = {
        "kept": "{who} keeps {what}",
        "not kept": "{who} does not keep {what}",
        "not testable": "{what} cannot be tested ({why})",
        "inconclusive": "whether {who} keeps {what} is open",
    }
    clauses: dict[str, str] = {}
    who = verdict.candidate
    for decision, form in forms.items():
        rows = verdict.parts[verdict.parts["decision"] == decision]
        if len(rows):
            why = "; ".join(dict.fromkeys(rows["reason"]))
            clauses[decision] = form.format(who=who, what=_what(verdict, rows.index.tolist()), why=why)
            who = "it" if "{who}" in form else who
    kept = clauses.pop("kept", None)
    return ", but ".join(filter(None, (kept, ", and ".join(clauses.values()))))


def _more_seeds(verdict: Verdict) -> str:
    needed = verdict.seeds_needed
    if needed is None:
        return "no number of seeds would show that both are kept, since a part has no values"
    if math.isinf(needed):
        beyond = verdict.parts.index[verdict.parts["seeds_needed"].map(math.isinf)].tolist()
        where = f" ({', '.join(beyond)})" if beyond else ""
        return (
            "no number of seeds would promise to show that both are kept, since the estimate lies at or beyond "
            f"the margin, or too near to it{where}"
        )
    return (
        f"about {needed:.0f} seeds per workload would show with power 0.8 that both are kept, were what was "
        "observed the truth"
    )


def _part_lines(verdict: Verdict) -> list[str]:
    lines = []
    for key, row in verdict.parts.iterrows():
        scale = verdict.scale(str(key))
        head = f"{key}, {scale.name}: {_minus(row['candidate'], row['reference'], scale)}"
        if math.isnan(row["estimate"]):
            lines.append(f"{head}: {row['decision']}: {row['reason']}.")
            continue
        numbers = [f"{scale.factor * row[name]:.{scale.digits}f}" for name in ("estimate", "low", "high")]
        level = f"{100 * (1 - 2 * verdict.alpha):g} % interval"
        text = f"{head} = {numbers[0]}{scale.unit} ({level} {numbers[1]} to {numbers[2]}"
        lines.append(f"{text}; {_margin(verdict, str(key), row)}): {row['decision']}{_note(row)}.")
    return lines


def _minus(worse: str, better: str, scale: Scale) -> str:
    """Name the difference that is positive where the first is worse."""
    return f"{better} - {worse}" if scale.mirrored else f"{worse} - {better}"


def _margin(verdict: Verdict, key: str, row: pd.Series) -> str:
    scale, gap = verdict.scale(key), verdict.assay.loc[key]
    factor, digits = scale.factor, scale.digits
    names = _minus(str(gap["worse"]), str(gap["better"]), scale)
    apart = f"{names} = {factor * gap['gap']:.{digits}f}{scale.unit}"
    if math.isnan(row["margin"]):
        return f"{apart}, at least {factor * gap['low']:.{digits}f}"
    cut = "" if row["margin"] == row["declared"] else f", cut from {factor * row['declared']:.{digits}f}"
    p = f"p = {row['p']:.2g}"
    if verdict.compared > 1:
        p += f", {row['p_holm']:.2g} by Holm"
    return f"margin {factor * row['margin']:.{digits}f}{cut}; {p}; {apart}"


def _note(row: pd.Series) -> str:
    return f" ({row['reason']})" if row["reason"] else ""


def _fraction_lines(verdict: Verdict) -> list[str]:
    level = f"{100 * (1 - verdict.alpha):g} % interval"
    texts = [
        f"{row['name']} = {row['fraction']:.2f} ({level} {_range(row['low'], row['high'])})"
        for _, row in verdict.preserved.iterrows()
        if not math.isnan(row["fraction"])
    ]
    return [f"Preserved fractions of the gap between the references: {', '.join(texts)}."] if texts else []


def _range(low: float, high: float) -> str:
    return "unbounded" if math.isinf(low) else f"{low:.2f} to {high:.2f}"


def _blocking(verdict: Verdict) -> list[str]:
    blocking = set(verdict.problems["problem"]) - set(verdict.allowed)
    return [f"{name}: {text}" for name, text in PROBLEMS.items() if name in blocking]


def _rule(verdict: Verdict) -> str:
    tasks = sorted(verdict.endpoints["task"].unique())
    counts = (
        verdict.endpoints.groupby(["endpoint", "task", "label"])
        .size()
        .groupby("endpoint")
        .agg(["min", "max"])
    )
    seeds = ", ".join(
        f"{endpoint} {low}" if low == high else f"{endpoint} {low} to {high}"
        for endpoint, low, high in counts.itertuples()
    )
    holm = f", Holm over {3 * verdict.compared} tests" if verdict.compared > 1 else ""
    plural = "s" * (len(tasks) != 1)
    return (
        f"{len(tasks)} workload{plural} ({', '.join(tasks)}); seeds: {seeds}; stratified Welch, one-sided at "
        f"{verdict.alpha:g}{holm}."
    )
