"""Opening the folders that a study or a suite of workloads is to run in, before anything is trained."""

from __future__ import annotations

from pathlib import Path

from studies.spec.errors import SpecError
from studies.spec.strict_yaml import WORKLOADS, workload_names
from studies.spec.study import StudySpec
from studies.spec.suites.suite import SuiteSpec
from studies.store.layout import LOCK_SUFFIX, NOT_WORKLOADS, STUDY_FILE, WRITING_SUFFIX
from studies.store.store import Store
from studies.store.study_folder import open_store


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
        if name.lower() in NOT_WORKLOADS or name.lower().endswith((LOCK_SUFFIX, WRITING_SUFFIX)):
            raise SpecError(
                f"{spec.source}: {WORKLOADS}[{index}].name: {name!r}: must be none of "
                f"{', '.join(sorted(NOT_WORKLOADS))}, *{LOCK_SUFFIX} and *{WRITING_SUFFIX}, which are beside it "
                "in the suite's folder"
            )
    return store, [open_store(study, store.files.within(str(study.workload))) for study in spec.studies]


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
