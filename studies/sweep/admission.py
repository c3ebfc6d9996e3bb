"""Whether a study may go on in its folder, before anything is trained there.

What this covers: another study of the same name does not take a folder over, rows that a changed study hides are
counted and said, and rows that other code of the same task has trained are not averaged with new ones unless the user
says so. What it does not: two drivers at once (``store.lock``), and a folder of another name (``open_store``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from robustness.tasks import Task
from robustness.tasks.source import task_file
from studies.planning.changes import change, earlier_code, joined
from studies.planning.known_task import KnownTask
from studies.planning.trials import Trial
from studies.spec.errors import SpecError, StoreError
from studies.spec.study import StudySpec
from studies.store.layout import STUDY_FILE
from studies.store.store import Store
from studies.store.task_file import remembered_task


@dataclass(frozen=True)
class Admission:
    """That a study may go on in its folder.

    Attributes:
        task: What the folder is to remember of the task.
        notes: What the user should know before anything is trained, a line each.
    """

    task: KnownTask
    notes: list[str]


def admit(
    store: Store,
    spec: StudySpec,
    task: Task,
    trials: Sequence[Trial],
    rows: pd.DataFrame,
    *,
    accept_changed_code: bool = False,
) -> Admission:
    """Compare a study with what its folder holds, before anything is trained.

    Args:
        store: The folder.
        spec: The study that is to run, with a number for its ``batch_size``.
        task: Its task.
        trials: Its grid.
        rows: The stored rows that need not run again.
        accept_changed_code: Whether rows that other code of the task has trained count as its own.

    Raises:
        StoreError: If the folder's rows are another study's, or other code of the task has trained some of them.
    """
    before, now = remembered_task(store), KnownTask.of(task, spec.budget)
    notes = [] if rows.empty else _changed_study(store, spec, before, now, trials, rows)
    known = {before.code, *before.accepted} if before is not None else set()
    same = {now.code} | (known if now.code in known else set())
    digests = {digest for digest in same if digest is not None}
    file = task_file(task.name)
    if now.code is not None and file is not None:
        if count := earlier_code(spec, now, rows, digests):
            if not accept_changed_code:
                raise StoreError(
                    f"{file}: has changed since {count} of the rows in {store.location} were trained: raise the "
                    "task's version, which trains everything again and hides old rows, or give "
                    "--accept-changed-code to keep both as one"
                )
            digests |= set(rows["task_code"].dropna())
        if count := earlier_code(spec, now, rows, [now.code]):
            notes.append(
                f"{file.name}: {count} stored rows of earlier code count as rows of the code as it is now"
            )
    accepted = tuple(sorted(digests - {now.code}))
    return Admission(replace(now, accepted=accepted), notes)


def _changed_study(
    store: Store,
    spec: StudySpec,
    before: KnownTask | None,
    now: KnownTask,
    trials: Sequence[Trial],
    rows: pd.DataFrame,
) -> list[str]:
    """Return a line about the rows that a changed study hides, if it hides any."""
    source = f"{store.location}/{STUDY_FILE}"
    try:
        old = StudySpec.from_text(store.existing_study(), source)
    except (StoreError, SpecError):
        old = None
    changed = change(old, before, spec, now, trials, rows)
    what = joined(changed.differences)
    if changed.foreign:
        raise StoreError(
            f"{source}: holds another study of this name: {what or 'its file cannot be read'}; this one asks for "
            f"none of the {changed.foreign} stored rows: give another folder with --out, or another name"
        )
    if not changed.hidden:
        return []
    return [f"{source}: {what}: {changed.hidden} stored rows are not asked for any more: hidden, not deleted"]
