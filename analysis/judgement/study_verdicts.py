"""The verdicts on the candidates of a study, or why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.judgement.verdict import Verdict


@dataclass(frozen=True)
class StudyVerdicts:
    """What is known of a study's candidates.

    Attributes:
        by_candidate: Output of `analysis.verdicts`; empty where there is none.
        reason: Why there is none; empty where there is one.
    """

    by_candidate: Mapping[str, Verdict] = field(default_factory=dict)
    reason: str = ""

    @classmethod
    def of(cls, verdicts: StudyVerdicts | Mapping[str, Verdict] | str) -> StudyVerdicts:
        """Return verdicts by candidate, or the reason why there are none, as an instance."""
        if isinstance(verdicts, StudyVerdicts):
            return verdicts
        return cls(reason=verdicts) if isinstance(verdicts, str) else cls(verdicts)

    def reason_sentence(self) -> str:
        """Return the reason as a sentence."""
        return f"{self.reason[0].upper()}{self.reason[1:]}."
