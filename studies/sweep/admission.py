"""Whether a study may go on in its folder, before anything is trained there.

What this covers: another study of the same name does not take a folder over, rows that a changed study hides are
counted and said, and rows that other code of the same task has trained are not averaged with new ones unless the user
says so. What it does not: two drivers at once (``store.lock``), and a folder of another name (``open_store``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from robustness.tasks import BaseTask
from robustness.user_code.source import source_file
from studies.planning.changes import change, earlier_code, joined, same_task
from studies.planning.known_metric import UNNAMED
from studies.planning.known_task import KnownTask
from studies.planning.trials import Trial
from studies.spec.errors import SpecError, StoreError
from studies.spec.study import StudySpec
from studies.store.layout import STUDY_FILE
from studies.store.resume import ResumedStore
from studies.store.store import Store
from studies.store.task_file import read_own_code, remembered_task


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
    stored: ResumedStore,
    spec: StudySpec,
    task: BaseTask,
    trials: Sequence[Trial],
    *,
    accept_changed_code: bool = False,
) -> Admission:
    """Compare a study with what its folder holds, before anything is trained.

    Args:
        stored: What the folder holds, and what of it is to run again.
        spec: The study that is to run, with a number for its ``batch_size``.
        task: Its task.
        trials: Its grid.
        accept_changed_code: Whether rows that other code of the task has trained count as its own.

    Raises:
        StoreError: If the folder's rows are another study's, other code of the task has trained some of them, or some
            have no value of the task's metric.
    """
    store, now = stored.store, KnownTask.of(task, spec.budget)
    before, rows = remembered_task(store), store.rows(now)
    _check_metric(store, spec, now, rows[~rows["trial_id"].isin(stored.again)])
    notes = _without_decay(spec)
    if not rows.empty:
        notes += _changed_study(store, spec, before, now, trials, rows) + _changed_metric(store, before, now)
    file = source_file(task.name)
    if now.code is None or file is None:
        return Admission(now, notes)
    same = {now.code}
    if before is not None and now.code in (before.code, *before.accepted):
        same |= {code for code in (before.code, *before.accepted) if code is not None}
    kept = rows[~rows["trial_id"].isin(stored.again)]
    changed = earlier_code(spec, now, kept, same)
    if changed and not accept_changed_code:
        raise StoreError(
            f"{file}: has changed since it trained {_rows(changed)} in {store.location}: raise the task's "
            "version, which trains everything again and hides old rows, or give --accept-changed-code to keep both "
            "as one"
        )
    if changed:
        same |= set(kept["task_code"].dropna())
    if count := earlier_code(spec, now, kept, [now.code]):
        notes.append(
            f"{file.name}: what earlier code has trained counts as trained by the code as it is now: {_rows(count)}"
        )
    return Admission(replace(now, accepted=tuple(sorted(same - {now.code}))), notes)


def _check_metric(store: Store, spec: StudySpec, now: KnownTask, rows: pd.DataFrame) -> None:
    """Refuse rows that the study asks for and cannot judge.

    Raises:
        StoreError: If some have no value of the task's metric, and none that follows from their losses or accuracies.
    """
    metric = now.metric
    if metric is None or metric.derived:
        return
    lacking = same_task(spec, now, rows) & rows["val_loss"].notna() & metric.other(rows)
    if count := int(lacking.sum()):
        raise StoreError(
            f"{store.location}: {_rows(count)} without a value of the metric {metric.name!r}, which was not computed "
            "when they were trained: give another folder with --out, or raise the task's version, which trains "
            "everything again and hides old rows"
        )


def _changed_metric(store: Store, before: KnownTask | None, now: KnownTask) -> list[str]:
    """Return a line that says that stored rows are judged by another metric than before, if they are."""
    was = before.metric.name if before is not None and before.metric is not None else UNNAMED
    if now.metric is None or now.metric.name == was:
        return []
    return [
        f"{store.location}: judged by {now.metric.name}, where it was by {was}: its best cells may be others, and "
        f"fresh seeds stored at the earlier ones are hidden; `metric: {was}` in the study file goes on as before"
    ]


def _without_decay(spec: StudySpec) -> list[str]:
    """Return a line for each optimizer that takes none of the grid's weight decays but 0."""
    return [
        f"{key}: takes no weight_decay, so its grid has 0 only"
        for key, entry in spec.optimizers.items()
        if entry.weight_decay is None and any(spec.grid.weight_decay or ()) and not any(spec.decays(key))
    ]


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
        old: StudySpec | None = StudySpec.from_text(
            store.existing_study(), source, None, read_own_code(store)
        )
    except (StoreError, SpecError):
        old = None
    if old is not None and not old.knows_optimizers:
        old = None
    changed = change(old, before, spec, now, trials, rows)
    what = joined(changed.differences)
    if changed.foreign:
        raise StoreError(
            f"{source}: holds another study of this name: {what or 'its file cannot be read'}; this one asks for "
            f"none of what is stored ({_rows(changed.foreign)}): give another folder with --out, or another name"
        )
    if not changed.hidden:
        return []
    return [f"{source}: {what}: no longer asked for, so hidden and not deleted: {_rows(changed.hidden)}"]


def _rows(count: int) -> str:
    return f"{count} stored row{'s' * (count != 1)}"
