"""Opening a folder for the study or suite that is to run there: it must be new, or hold that very one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studies.planning.plan import Plan
from studies.spec.errors import SpecError, StoreError
from studies.spec.strict_yaml import WORKLOADS, is_suite, study_name, workload_names
from studies.spec.study import StudySpec
from studies.spec.suites.suite import SuiteSpec
from studies.store.layout import NOT_WORKLOADS, STUDY_FILE, default_folder
from studies.store.store import Store


def open_store(spec: StudySpec | SuiteSpec, out: str | Path | None) -> Store:
    """Return the store of a study or suite (default ``runs/<name>``), which must be new or hold this very one.

    Raises:
        StoreError: If the folder holds another study or something else.
    """
    store = Store(out if out is not None else default_folder(spec.name))
    text = store.read_study()
    source = f"{store.location}/{STUDY_FILE}"
    if text is None:
        return store
    if (name := study_name(text, source)) != spec.name:
        raise StoreError(
            f"{source}: name: holds the study {name!r}, not {spec.name!r}: give another folder with --out"
        )
    kinds = {False: "a study", True: "a suite of workloads"}
    there, here = is_suite(text), isinstance(spec, SuiteSpec)
    if there != here:
        raise StoreError(
            f"{source}: holds {kinds[there]} called {name!r}, and this is {kinds[here]}: give another folder "
            "with --out"
        )
    return store


def open_stores(spec: StudySpec | SuiteSpec, out: str | Path | None) -> tuple[Store, list[Store]]:
    """Return the store of a study or suite, and that of each study in it: of a study itself, the same.

    Raises:
        SpecError: If a workload has the name of something else that is in a suite's folder.
        StoreError: If a folder holds another study or something else.
    """
    store = open_store(spec, out)
    if isinstance(spec, StudySpec):
        return store, [store]
    for index, name in enumerate(spec.workloads):
        if name.lower() in NOT_WORKLOADS:
            raise SpecError(
                f"{spec.source}: {WORKLOADS}[{index}].name: {name!r}: must be none of "
                f"{', '.join(sorted(NOT_WORKLOADS))}, which are beside it in the suite's folder"
            )
    return store, [open_store(study, store.files.within(str(study.workload))) for study in spec.studies]


def check_distinct(spec: StudySpec | SuiteSpec, works: Sequence[Plan]) -> None:
    """Refuse workloads that would train the same trials, which would count twice in tables and verdict.

    Args:
        spec: A study or suite.
        works: The plan of each study in it.

    Raises:
        SpecError: If two workloads have a trial in common.
    """
    seen: dict[str, int] = {}
    for index, work in enumerate(works):
        for trial in work.trials:
            if (first := seen.setdefault(trial.trial_id, index)) != index:
                raise SpecError(
                    f"{spec.source}: {WORKLOADS}[{index}]: {work.spec.workload!r}: asks for trials of "
                    f"{WORKLOADS}[{first}] ({works[first].spec.workload}); two workloads must differ in task, budget, "
                    "schedule or training"
                )


def hidden_workloads(suite: SuiteSpec, store: Store) -> list[str]:
    """Return a line about the workloads that the suite had and no longer has, if there are any."""
    before = workload_names(store.read_study() or "")
    gone = {name: Store(store.files.within(name)) for name in before if name not in suite.workloads}
    if not gone:
        return []
    rows = ", ".join(f"{name} ({len(folder.trial_ids())} rows)" for name, folder in gone.items())
    return [
        f"{store.location}/{STUDY_FILE}: {WORKLOADS}: no longer asked for, so hidden and not deleted: {rows}"
    ]
