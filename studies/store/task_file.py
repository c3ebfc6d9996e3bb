"""What a study's folder remembers of its task and of a user's own optimizers and schedules.

From it readers know every trial's id without importing any of them.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from studies.planning.known_metric import KnownMetric
from studies.planning.known_task import KnownTask
from studies.spec.errors import StoreError
from studies.spec.optimizers.own_code import OwnCode
from studies.spec.study import StudySpec
from studies.store.layout import OWN_CODE_FILE, TASK_FILE
from studies.store.store import Store


def begin_study(store: Store, spec: StudySpec, known: KnownTask) -> None:
    """Make the folder the study's: from here on it can be read.

    Raises:
        StoreError: If the folder cannot be written to.
        SweepError: If the disk is full.
    """
    store.write_study(spec.to_yaml())
    write_task(store, known)
    write_own_code(store, spec.own)


def write_task(store: Store, known: KnownTask) -> None:
    """Write what readers need to know of a task into the study's folder."""
    store.write_file(TASK_FILE, json.dumps(asdict(known), indent=1).encode())


def write_own_code(store: Store, own: OwnCode) -> None:
    """Write what readers need to know of the user's own optimizers and schedules, if there are or were any."""
    if own or store.read_file(OWN_CODE_FILE) is not None:
        store.write_file(OWN_CODE_FILE, json.dumps(own.to_json(), indent=1).encode())


def read_own_code(store: Store) -> OwnCode:
    """Return what the folder remembers of the user's own optimizers and schedules; nothing where it has no file.

    Raises:
        StoreError: If the file is damaged.
    """
    content = store.read_file(OWN_CODE_FILE)
    if content is None:
        return OwnCode()
    try:
        return OwnCode.from_json(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _damaged(store, OWN_CODE_FILE) from None


def read_task(store: Store, spec: StudySpec) -> KnownTask | None:
    """Return the task of ``spec`` as the folder remembers it; None where it remembers none or another.

    Raises:
        StoreError: If the file is damaged.
    """
    known = remembered_task(store)
    if known is None:
        return None
    same = (known.name, known.epochs, known.batch_size) == (
        spec.task.name,
        spec.budget.epochs,
        spec.budget.batch_size,
    )
    return known if same else None


def remembered_task(store: Store) -> KnownTask | None:
    """Return the task that was last run in the folder; None where it remembers none.

    Raises:
        StoreError: If the file is damaged.
    """
    content = store.read_file(TASK_FILE)
    if content is None:
        return None
    try:
        values = json.loads(content)
        metric = KnownMetric.read(values.get("metric"))
        known = KnownTask(**{**values, "accepted": tuple(values.get("accepted", ())), "metric": metric})
        fits = isinstance(known.name, str) and isinstance(known.version, str)
        fits &= isinstance(known.options, dict) and isinstance(known.total_steps, int | None)
        fits &= isinstance(known.code, str | None)
    except (ValueError, TypeError, AttributeError, RecursionError):
        fits = False
    if not fits:
        raise _damaged(store, TASK_FILE)
    return known


def _damaged(store: Store, name: str) -> StoreError:
    return StoreError(f"{store.location}/{name}: is damaged: remove it and give `robustness run` again")
