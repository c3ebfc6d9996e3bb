"""The verdict that a study asks for: declared in its file before anything runs, given when all is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

import analysis
from studies.spec.problems import Problem, blame, did_you_mean, one_of, raise_all
from studies.spec.values import Strict, Text, distinct, listed

MAX_LISTED = 12
"""At most so many labels are listed in a message."""


class MarginKeys(Strict):
    """The keys under ``margins``; ``analysis.Margins`` knows what they may hold."""

    robustness: Annotated[float, Field(strict=True)] = analysis.Margins.robustness
    generalization: Annotated[float, Field(strict=True)] = analysis.Margins.generalization
    generalization_share: Annotated[float, Field(strict=True)] | None = None


def _read_margins(value: object) -> analysis.Margins:
    keys = MarginKeys.model_validate(vars(value) if isinstance(value, analysis.Margins) else value)
    try:
        return analysis.Margins(**vars(keys))
    except ValueError as error:
        raise_all([blame(str(error).removeprefix("margins."), vars(keys))])
        raise


def _written(margins: analysis.Margins) -> dict[str, float]:
    # a share that is not declared is not written: files of earlier programs read as they are
    return {name: value for name, value in vars(margins).items() if value is not None}


def _known_problems(names: tuple[str, ...]) -> tuple[str, ...]:
    raise_all(
        Problem((index,), name, one_of(name, analysis.PROBLEMS))
        for index, name in enumerate(names)
        if name not in analysis.PROBLEMS
    )
    return names


_Labels = Annotated[tuple[Text, ...], BeforeValidator(listed), Field(min_length=1), AfterValidator(distinct)]
_Problems = Annotated[tuple[Text, ...], BeforeValidator(listed), AfterValidator(_known_problems)]


class VerdictSpec(Strict):
    """What a study is to judge; see ``analysis.verdict``.

    Attributes:
        candidate: A label of the study, or a list of them; the tests of several are corrected by Holm's method.
        robustness_reference: The label whose sensitivity and transfer regret are to be kept.
        generalization_reference: The label whose test error is to be kept.
        margins: How much worse still counts as kept: ``robustness`` as a share of what can be learned,
            ``generalization`` in the unit of the task's metric (for the error a proportion: 0.002 is 0.2 percentage
            points), or ``generalization_share`` as a share of what can be learned.
        alpha: Level of each one-sided test.
        allow: Names in ``analysis.PROBLEMS`` that are not to make the verdict invalid.
    """

    candidate: _Labels
    robustness_reference: Text = "adamw"
    generalization_reference: Text = "sgd"
    margins: Annotated[analysis.Margins, BeforeValidator(_read_margins), PlainSerializer(_written)] = (
        analysis.Margins()
    )
    alpha: Annotated[float, Field(strict=True, gt=0, lt=0.5)] = 0.05
    allow: _Problems = ()


def verdict_problems(verdict: VerdictSpec, labels: Sequence[str]) -> list[Problem]:
    """Return what is wrong with ``verdict`` in a study with these labels."""
    references = {
        name: getattr(verdict, name) for name in ("robustness_reference", "generalization_reference")
    }
    named: list[tuple[tuple[int | str, ...], str]] = [
        (("candidate", index) if len(verdict.candidate) > 1 else ("candidate",), name)
        for index, name in enumerate(verdict.candidate)
    ]
    named += [((key,), name) for key, name in references.items()]
    problems = [
        Problem(location, name, f"must be a label of this study: {_some(labels)}{did_you_mean(name, labels)}")
        for location, name in named
        if name not in labels
    ]
    if not problems and len(set(references.values())) < 2:
        rule = "must not be the robustness_reference too"
        problems.append(Problem(("generalization_reference",), verdict.generalization_reference, rule))
    problems += [
        Problem(location, name, "must not be one of the references too")
        for location, name in named
        if location[0] == "candidate" and name in references.values()
    ]
    return problems


def _some(labels: Sequence[str]) -> str:
    more = f", … ({len(labels)} in all)" if len(labels) > MAX_LISTED else ""
    return ", ".join(labels[:MAX_LISTED]) + more
