"""What has changed since a folder's rows were trained: another study, or other code of what it names.

What is asked for now decides which stored rows are read. So a change that hides rows is said before anything is
trained; another study is refused, and so are rows of two versions of the code as if they were one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from robustness.user_code.source import source_file
from studies.planning.extension import fresh_seeds
from studies.planning.known_task import KnownTask
from studies.planning.stages import stages
from studies.planning.trials import Trial, expand, schedule_text, setup
from studies.spec.functions.function import FunctionSpec
from studies.spec.optimizers.own_code import OwnCode
from studies.spec.problems import shown
from studies.spec.study import StudySpec

SHOWN = 4
"""How many differences a message names."""
_DECISIVE = (
    "task",
    "budget",
    "schedule",
    "training",
    "seeds",
    "grid",
    "optimizers",
    "extend",
    "confirm",
    "search",
)


@dataclass(frozen=True)
class Change:
    """How a study differs from the one whose rows are stored.

    Attributes:
        differences: ``key: old -> new``, a text each.
        hidden: How many stored rows that the old one asks for the new one does not.
        foreign: How many rows are stored, where the new one asks for none of them, and not because of its task's
            version or a user's own code alone; else 0.
    """

    differences: list[str]
    hidden: int
    foreign: int


def flat(content: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings under their dotted keys."""
    if not isinstance(content, Mapping) or (prefix and not content):
        yield prefix, content
        return
    for key, value in content.items():
        yield from flat(value, f"{prefix}.{key}" if prefix else str(key))


def differences(old: StudySpec | None, new: StudySpec, before: KnownTask | None, now: KnownTask) -> list[str]:
    """Return what decides trials and differs, as ``key: old -> new``."""
    texts = []
    if old is not None:
        was, becomes = (dict(flat(_decisive(spec))) for spec in (old, new))
        texts += [
            f"{key}: {_text(was, key)} -> {_text(becomes, key)}"
            for key in {**was, **becomes}
            if was.get(key) != becomes.get(key)
        ]
        texts += dict.fromkeys(_told(name, old.own, new.own) for name in _renewed(old, new))
    if before is not None and before.name == now.name and before.version != now.version:
        texts.append(f"the task's version: {before.version} -> {now.version}")
    return texts


def _renewed(old: StudySpec, new: StudySpec) -> list[str]:
    """Return the optimizers and schedules that both name, and for which other code stood before."""
    names = [name for name in _named(new) if name in _named(old)]
    return [name for name in names if old.own.codes.get(name) != new.own.codes.get(name)]


def _named(spec: StudySpec) -> list[str]:
    return [*(entry.named(key) for key, entry in spec.optimizers.items()), spec.schedule.name]


def _told(name: str, before: OwnCode, now: OwnCode) -> str:
    """Say how the code that ``name`` stands for has changed."""
    was, becomes, file = before.codes.get(name), now.codes.get(name), source_file(name)
    if was is None or becomes is None:
        return f"{name}: the code that trained it was not recorded, so its trials run again"
    if "==" in was + becomes:
        return f"{name}: {was} -> {becomes}, so its trials run again"
    return f"{name if file is None else file.name} has changed since it trained here, so its trials run again"


def joined(texts: Sequence[str]) -> str:
    """Return the first of ``texts``, and how many more there are."""
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more


def change(
    old: StudySpec | None,
    before: KnownTask | None,
    new: StudySpec,
    now: KnownTask,
    trials: Sequence[Trial],
    rows: pd.DataFrame,
) -> Change:
    """Compare a study with the one that was last run in the same folder.

    Args:
        old: That study; None where its file cannot be read any more.
        before: Its task, as the folder remembers it; None where it does not.
        new: The study that is to run.
        now: Its task.
        trials: The new study's grid.
        rows: All stored rows; failed ones hold no result, and do not count.
    """
    rows = rows[rows["status"] != "failed"]
    texts = differences(old, new, before, now)
    asked = {trial.trial_id for trial in trials}
    stored = set(rows["trial_id"])
    if not stored or (old is not None and not texts and asked & stored):
        return Change(texts, 0, 0)
    foreign = 0
    if not asked & stored and not _as_before(old, new, now, before) & stored and (texts or old is None):
        foreign = len(stored)
    return Change(texts, _hidden(old, before, new, now, trials, rows), foreign)


def _as_before(old: StudySpec | None, new: StudySpec, now: KnownTask, before: KnownTask | None) -> set[str]:
    """Return the ids that the new study's grid would have with the task and the user's code that were last run."""
    same = before is None or before.version == now.version
    if same and (old is None or not _renewed(old, new)):
        return set()
    task = now if before is None else replace(now, version=before.version)
    return {trial.trial_id for trial in expand(new if old is None else new.with_own(old.own), task)}


def _hidden(
    old: StudySpec | None,
    before: KnownTask | None,
    new: StudySpec,
    now: KnownTask,
    trials: Sequence[Trial],
    rows: pd.DataFrame,
) -> int:
    """Count the stored rows that ``old`` asks for and ``new`` does not.

    While trials of the new grid are missing, what follows from it is unknown: of the rows that followed from the old
    one only those count that the new study cannot ask for any more.
    """
    if old is None or before is None:
        return 0
    remembered = before.name, before.epochs, before.batch_size
    if remembered != (old.task.name, old.budget.epochs, old.budget.batch_size):
        return 0
    stored = set(rows["trial_id"])
    first, *later = _ids(old, before, rows)
    followed = set().union(*later) & stored
    grid = {trial.trial_id for trial in trials}
    if grid <= stored:
        hidden = ((first & stored) | followed) - set().union(*_ids(new, now, rows, trials))
    else:
        kept = rows[rows["trial_id"].isin(followed)]
        gone = (kept["role"] == "confirm") & ~kept["seed"].isin(fresh_seeds(new.seeds, new.confirm))
        gone |= (kept["role"] == "grid") & (new.extend is None)
        if renewed := _renewed(old, new):
            gone |= kept["optimizer"].isin(renewed) | (new.schedule.name in renewed)
        hidden = ((first & stored) | set(kept.loc[gone, "trial_id"])) - grid
        if not first & grid & stored and before.version != now.version:
            hidden |= followed
    if old.search is not None and new.search is None:
        hidden |= set(rows.loc[rows["role"] == "search", "trial_id"]) - grid
    return len(hidden)


def _ids(
    spec: StudySpec, task: KnownTask, rows: pd.DataFrame, grid: Sequence[Trial] | None = None
) -> list[set[str]]:
    """Return the ids of each stage's trials."""
    planned = stages(spec, task, lambda: rows, grid)
    return [{trial.trial_id for trial in stage.trials} for stage in planned]


def _decisive(spec: StudySpec) -> dict[str, Any]:
    content = spec.model_dump(mode="json")
    content["budget"].pop("time_limit", None)
    if isinstance(spec.task, FunctionSpec):
        content["task"].pop("examples", None)  # no part of a trial's identity
        content["task"].pop("version")  # told by what the folder remembers of its task
    return {key: content[key] for key in _DECISIVE if key in content}


def _text(values: Mapping[str, Any], key: str) -> str:
    return shown(values[key]) if key in values else "nothing"


def earlier_code(spec: StudySpec, task: KnownTask, rows: pd.DataFrame, same: Collection[str]) -> int:
    """Count the rows that the study takes as they are, though other code of its task has trained them.

    Args:
        spec: The study.
        task: Its task.
        rows: Those that need not run again. Failed ones hold no result, and those of earlier programs do not say
            which code has trained them: neither count.
        same: Digests of code that counts as the task's own.
    """
    other = rows["task_code"].notna() & ~rows["task_code"].isin([*same])
    return int((same_task(spec, task, rows) & other).sum())


def same_task(spec: StudySpec, task: KnownTask, rows: pd.DataFrame) -> pd.Series:
    """Return which of ``rows`` have a result of the study's task, trained as the study trains it."""
    here = (rows["status"] != "failed") & (rows["task"] == task.name) & (rows["task_version"] == task.version)
    here &= (rows["epochs"] == task.epochs) & (rows["batch_size"] == task.batch_size)
    here &= rows["setup"].fillna("") == (setup(spec.task, spec.training) or "")
    return here & (rows["schedule"] == schedule_text(spec.schedule))


def mixed_code(rows: pd.DataFrame) -> str | None:
    """Return a line that says that ``rows`` of several versions of a task's code are averaged, or None."""
    for task, own in rows[rows["status"] != "failed"].groupby("task"):
        counts = own["task_code"].value_counts()
        if len(counts) > 1:
            many = ", ".join(f"{count} of {code}" for code, count in sorted(counts.items()))
            return f"{task}: rows of {len(counts)} versions of its code are averaged as one ({many})"
    return None
