"""A suite as a whole: several workloads on which the same optimizers are compared, each of them a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError

from studies.spec import strict_yaml
from studies.spec.errors import SpecError
from studies.spec.problems import describe, dotted, one_line, raise_all
from studies.spec.sourced import Sourced
from studies.spec.strict_yaml import WORKLOADS
from studies.spec.study import StudySpec
from studies.spec.suites.merging import locations, merged, suite_problems
from studies.spec.values import as_yaml
from studies.spec.verdict import VerdictSpec


class SuiteSpec(Sourced):
    """A suite of workloads.

    Its file has the keys of a study, which hold for every workload, and ``workloads``, a list: each with a ``name``
    of its own, a ``task``, and any key of a study but ``verdict`` in the place of the suite's. Mappings are merged
    key by key. ``SuiteSpec(name=…, workloads=[…], …)`` takes what a file holds.

    Attributes:
        studies: What each workload is asked for, in the order of the file: a study with the suite's name and verdict,
            whose ``workload`` is the workload's name.

    Examples:
        >>> suite = SuiteSpec(
        ...     name="pilot",
        ...     budget={"epochs": 20, "batch_size": 64},
        ...     grid={"lr": {"decades": 2, "points": 3}, "weight_decay": [0]},
        ...     optimizers={"adamw": {"lr": 1e-2}, "sgd": {"lr": 1e-1}},
        ...     workloads=[
        ...         {"name": "digits", "task": "digits-mlp"},
        ...         {"name": "text", "task": "char-lm", "budget": {"epochs": 5}},
        ...     ],
        ... )
        >>> [(study.workload, study.budget.epochs, study.budget.batch_size) for study in suite.studies]
        [('digits', 20, 64), ('text', 5, 64)]
    """

    studies: tuple[StudySpec, ...]

    def __init__(self, /, **data: Any) -> None:
        try:
            suite = as_yaml(data)
            raise_all(suite_problems(suite))
        except ValidationError as error:
            raise SpecError(describe(error, {})) from None
        studies = {"studies": [_workload(suite, index) for index in range(len(suite[WORKLOADS]))]}
        super().__init__(**studies)
        self._place()

    @classmethod
    def from_text(cls, text: str, source: str, folder: Path | None = None, *known: Any) -> Self:
        """Read a suite from ``text``, as ``StudySpec.from_text`` reads a study.

        Raises:
            SpecError: If it holds no valid suite.
        """
        suite = super().from_text(text, source, folder, *known)
        suite._place()
        return suite

    def _place(self) -> None:
        """Tell each workload where it was read from."""
        for index, study in enumerate(self.studies):
            study.read_from(self._folder, f"{self._source}: {WORKLOADS}[{index}]", self.file)

    def to_yaml(self) -> str:
        """Return a suite file with the same values, every default written out for each workload."""
        content: dict[str, Any] = {"name": self.name}
        if self.verdict is not None:
            content["verdict"] = self.verdict.model_dump(mode="json")
        content[WORKLOADS] = [
            {"name": study.workload, **study.model_dump(mode="json", exclude={"name", "workload", "verdict"})}
            for study in self.studies
        ]
        return strict_yaml.dump(content)

    @property
    def name(self) -> str:
        """Names the suite and its folder."""
        return self.studies[0].name

    @property
    def verdict(self) -> VerdictSpec | None:
        """What the suite is to judge over all of its workloads, if anything."""
        return self.studies[0].verdict

    @property
    def workloads(self) -> tuple[str, ...]:
        """The names of the workloads, in the order of the file."""
        return tuple(str(study.workload) for study in self.studies)

    def load_optimizers(self) -> Self:
        """Return the suite with the user's own optimizers and schedules found, and every variation built.

        Raises:
            SpecError: If one of them is not there, or does not take what the suite gives it.
        """
        return self.model_copy(update={"studies": tuple(study.load_optimizers() for study in self.studies)})


def _workload(suite: Mapping[str, Any], index: int) -> StudySpec:
    """Return the study that a workload is.

    Raises:
        SpecError: If it is not valid. The line names the key in the workload where that gives it, and otherwise the
            suite's key and the workload for which it is wrong.
    """
    own = suite[WORKLOADS][index]
    try:
        return StudySpec(**merged(suite, own))
    except SpecError as error:
        key = str(error).partition(": ")[0]
        given = {dotted(location) for location in locations(own)}
        if index == 0 and key.partition(".")[0] in ("name", "verdict"):
            raise
        joint = "." if key in given or key == "task" else ": "
        raise SpecError(one_line(f"{WORKLOADS}[{index}]{joint}{error}")) from None
