"""The workloads of several studies that are reported on together: which are the same, and what each is called.

A workload is a task with its options and data, trained by one schedule, budget and training. Where a study file gives
no name to its workload, the task's name is taken, with what tells it from the other workloads of that task.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import pandas as pd

from analysis.workloads import by_workload
from robustness.tasks import BaseTask
from studies.planning.trials import schedule_text, setup
from studies.spec.errors import SpecError, StoreError
from studies.spec.study import StudySpec
from studies.store.study_folder import StoredStudy

_COLUMNS = {
    "setup": "{}={}",
    "schedule": "{1}",
    "epochs": "epochs {1}",
    "batch_size": "batch size {1}",
    "task_version": "version {1}",
}
"""What decides a workload beside its task, and how a name shows it: by the column of the rows, in this order."""


@dataclass(frozen=True)
class Workload:
    """A workload in a folder or a file.

    Attributes:
        location: The folder or the file.
        task: The task's name.
        name: What its study file, or its rows, call it; None where they give it no name.
        known: What decides its trials beside the optimizer, by the column of the rows: texts as a name shows them,
            each under its key. What is not known is not there.
    """

    location: str
    task: str
    name: str | None
    known: Mapping[str, Mapping[str, str]]

    def differs(self, other: Workload) -> bool:
        """Return whether the tasks, or something else that is known of both, differ."""
        both = self.known.keys() & other.known.keys()
        return self.task != other.task or any(self.known[column] != other.known[column] for column in both)

    def same_as(self, other: Workload) -> bool:
        """Return whether nothing tells it from ``other``, unless perhaps a name of its own where not all is known."""
        named = self.name != other.name and not (self.whole and other.whole)
        return not self.differs(other) and not named

    @property
    def whole(self) -> bool:
        """Whether all that decides its trials is known."""
        return self.known.keys() == {*_COLUMNS}

    @property
    def texts(self) -> dict[str, str]:
        """What a name may show, by its key: the options of the task come first."""
        return {key: text for texts in self.known.values() for key, text in texts.items()}


def workloads_of(location: str, rows: pd.DataFrame, study: StoredStudy | None = None) -> list[Workload]:
    """Return the workloads in a folder or a file, in the order of their rows.

    Args:
        location: The folder or the file.
        rows: Its rows.
        study: The study in the folder; None for a file, of which the rows alone tell.
    """
    if study is not None:
        return [_of_study(location, study.spec, rows)]
    names, tasks = by_workload(rows)["task"].astype("str"), rows["task"].astype("str")
    return [
        Workload(location, str(task), None if name == task else str(name), _known(own))
        for (task, name), own in rows.groupby([tasks, names], sort=False)
    ]


def _of_study(location: str, spec: StudySpec, rows: pd.DataFrame) -> Workload:
    """Return the workload that a study is; its ``rows`` tell the version of the task."""
    asked = rows.assign(
        setup=setup(spec.task, spec.training) or "",
        schedule=schedule_text(spec.schedule),
        epochs=spec.budget.epochs,
        batch_size=spec.budget.batch_size,
    )
    return Workload(location, spec.task.name, spec.workload, _known(asked))


def check_distinct(planned: Iterable[tuple[StudySpec, BaseTask]]) -> None:
    """Refuse workloads of a suite that no report would take for two, before anything is trained.

    Args:
        planned: The study of each workload, its batch size a number, with its task.

    Raises:
        SpecError: If two workloads are one and the same.
    """
    workloads = [
        _of_study(study.source, study, pd.DataFrame({"task_version": [task.version]}))
        for study, task in planned
    ]
    for first, second in combinations(workloads, 2):
        if first.same_as(second):
            raise SpecError(
                f"{second.location}: {second.name!r}: must differ from {first.name!r} in task, options, data, "
                "schedule, budget or training"
            )


def _known(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Return what rows say of what decides them, where all of them say the same."""
    known = {}
    for column in _COLUMNS.keys() & {*rows.columns}:
        values = rows[column].astype("str")
        values = values.fillna("") if column == "setup" else values  # where all is at its default
        if values.notna().all() and values.nunique() == 1:
            pairs = _pairs(values.iloc[0]) if column == "setup" else {column: _number(values.iloc[0])}
            known[column] = {key: _COLUMNS[column].format(key, value) for key, value in pairs.items()}
    return {column: known[column] for column in _COLUMNS if column in known}


def called(workloads: Sequence[Workload]) -> list[str]:
    """Return the name of each workload.

    Its own where it has one. Otherwise the task's; where several would have that name, the fewest things that tell
    them apart follow in brackets: ``digits-mlp (width=64)``.

    Raises:
        StoreError: If two are one and the same, or have one name.
    """
    for first, second in combinations(workloads, 2):
        _check_two(first, second)
    names = [workload.name or workload.task for workload in workloads]
    for task in dict.fromkeys(names):
        alike = [at for at, one in enumerate(workloads) if one.task == names[at] == task]
        told = _told_apart([workloads[at].texts for at in alike])
        for at, text in zip(alike, told, strict=True):
            names[at] += f" ({text})" if text and workloads[at].name is None else ""
    holders: dict[str, Workload] = {}
    for name, workload in zip(names, workloads, strict=True):
        if name in holders:
            raise StoreError(
                f"{workload.location}: its workload is called '{name}', and so is that of "
                f"{holders[name].location}; give one of them another `workload:` in its study file and run it again"
            )
        holders[name] = workload
    return names


def _check_two(first: Workload, second: Workload) -> None:
    """Raise a StoreError for two that are one and the same, or that only a name of their own could tell apart."""
    if first.location == second.location or not first.same_as(second):
        return
    raise StoreError(
        f"{second.location}: holds the task '{second.task}', and so does {first.location}, with the same options, "
        "data, schedule, budget and training as far as is known; each must be a workload of its own"
    )


def _told_apart(known: Sequence[Mapping[str, str]]) -> list[str]:
    """Return for each the fewest of its texts by which all are told apart."""
    keys = dict.fromkeys(key for texts in known for key in texts)
    varied = [key for key in keys if len({texts.get(key) for texts in known}) > 1]
    shown = [""] * len(known)
    for chosen in chain.from_iterable(combinations(varied, size) for size in range(1, len(varied) + 1)):
        shown = [", ".join(texts[key] for key in chosen if key in texts) for texts in known]
        if len({*shown}) == len(shown):
            break
    return shown


def _pairs(text: str) -> dict[str, str]:
    """Return the keys and values of ``studies.planning.trials.setup``."""
    pairs = (part.partition("=") for part in re.split(r", (?=\w+=)", text) if part)
    return {key: _number(value) for key, _, value in pairs}


def _number(text: str) -> str:
    """Write 1.0 as 1, as a trial's identity takes them for the same."""
    try:
        value = float(text)
    except ValueError:
        return text
    return f"{value:.0f}" if value.is_integer() else repr(value)
