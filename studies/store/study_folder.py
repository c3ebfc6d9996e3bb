"""The study that a folder holds, opened once: what it asks for, the rows of what is done of it, how far it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from studies.planning.changes import mixed_code
from studies.planning.known_task import KnownTask
from studies.planning.search_trials import point_size
from studies.planning.stages import rows_of, stages_of
from studies.planning.trials import in_study, planned_cells
from studies.spec.errors import SpecError, StoreError
from studies.spec.strict_yaml import is_suite, study_name
from studies.spec.study import StudySpec
from studies.spec.suites.suite import SuiteSpec
from studies.spec.values import FULL
from studies.store.layout import SEARCH_RECORD, STUDY_FILE, default_folder
from studies.store.store import Store
from studies.store.suites.folders import study_folders
from studies.store.task_file import read_own_code, read_task

STATUSES = ["completed", "diverged", "failed"]
TO_COME = "points to come"
"""What stands for a label where points of a search are not suggested yet."""


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is.

    Attributes:
        rows: The rows of the trials that it asks for; what it no longer asks for is left out.
        planned: By label, how many trials are known to be wanted; later stages follow from the rows.
    """

    rows: pd.DataFrame
    planned: Mapping[str, int]

    def counts(self) -> pd.DataFrame:
        """Return the columns ``planned``, ``completed``, ``diverged`` and ``failed``, a line per planned label."""
        planned = pd.Series(self.planned, dtype="int64")
        counts = pd.crosstab(self.rows["label"], self.rows["status"])
        counts = counts.reindex(index=planned.index, columns=STATUSES, fill_value=0)
        counts.insert(0, "planned", planned)
        return counts.rename_axis("label").rename_axis(None, axis=1)


@dataclass(frozen=True)
class StoredStudy:
    """A study in its folder.

    The study file is read when the folder is opened, everything else when it is first asked for, and each of them
    once: open the folder again to see what has changed since. Nothing that the study names is imported.

    Attributes:
        store: The folder.
        spec: The study.
    """

    store: Store
    spec: StudySpec

    @classmethod
    def open(cls, location: str | Path, imports: Path | None = None) -> StoredStudy:
        """Open the study in a folder.

        Args:
            location: The folder, a path or any ``pyarrow.fs`` address.
            imports: The folder from which ``spec.load_task`` and ``spec.load_optimizers`` import the user's own
                modules, if they are called.

        Raises:
            StoreError: If the folder holds no study, or what it remembers is damaged.
            SpecError: If the study file in it is not valid.
        """
        store = Store(location)
        text, own = store.existing_study(), read_own_code(store)
        spec = StudySpec.from_text(text, f"{location}/{STUDY_FILE}", imports, own)
        if spec.budget.batch_size == FULL:  # runs write the number, without which no row can be told
            raise SpecError(
                f"{location}/{STUDY_FILE}: budget.batch_size: {FULL}: must be a number in this file"
            )
        return cls(store, spec)

    @cached_property
    def task(self) -> KnownTask | None:
        """The task as the folder remembers it; None where it remembers none, or another than the study's.

        Raises:
            StoreError: If what it remembers is damaged.
        """
        return read_task(self.store, self.spec)

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the grid's trials, and of those that followed from them."""
        return self._grid_and_others[0].rows

    @property
    def planned(self) -> Mapping[str, int]:
        """By label, how many trials the grid and what followed from it are known to have."""
        return self._grid_and_others[0].planned

    @cached_property
    def progress(self) -> StudyProgress:
        """How far the study is, with the points of a search that was begun in the folder.

        A search trains points in the place of the searched optimizer's own grid. Those that are not suggested yet
        are planned as ``TO_COME``; fresh seeds are planned for a label once the first of its own are stored.
        """
        grid, outside = self._grid_and_others
        spec, search = self.spec, self.spec.search
        if search is None or self.task is None or self.store.read_file(SEARCH_RECORD) is None:
            return grid
        points, fresh = (outside[outside["role"] == role] for role in ("search", "confirm"))
        size = point_size(spec, search, self.task)
        suggested = points["label"].unique()
        untrained = self._labels_of(search.optimizer) - set(grid.rows["label"])
        planned = Counter({label: count for label, count in grid.planned.items() if label not in untrained})
        planned.update(dict.fromkeys(suggested, size))
        planned[TO_COME] = max(0, search.wanted - len(suggested)) * size
        fresh_seeds = size // len(spec.seeds) * (search.confirm or 0)
        planned.update(dict.fromkeys(fresh["label"].unique(), fresh_seeds))
        rows = pd.concat([grid.rows, points, fresh], ignore_index=True).drop_duplicates("trial_id")
        return StudyProgress(rows, +planned)

    def status(self) -> pd.DataFrame:
        """Return what ``studies.status`` returns."""
        counts = self.progress.counts()
        counts["missing"] = counts["planned"] - counts[STATUSES].sum(axis=1)
        counts.loc["all"] = counts.sum()
        return counts.rename_axis("optimizer").reset_index()

    def mixed_code(self) -> str | None:
        """Return a line that says that rows of several versions of the task's code are averaged, or None."""
        return mixed_code(self.progress.rows)

    @cached_property
    def _grid_and_others(self) -> tuple[StudyProgress, pd.DataFrame]:
        """How far the grid is, and the rows of search points and fresh seeds; the one place that reads rows."""
        stored = self.store.rows(self.task)
        return self._grid_progress(stored), stored[stored["role"].isin(["search", "confirm"])]

    def _grid_progress(self, stored: pd.DataFrame) -> StudyProgress:
        """Pick the rows of the study from all that are ``stored``.

        Where the folder does not say which version of its task was trained, they are told by their columns.
        """
        if self.task is None:
            cells = planned_cells(self.spec)["label"].value_counts(sort=False) * len(self.spec.seeds)
            return StudyProgress(in_study(stored, self.spec), {str(label): n for label, n in cells.items()})
        trials = [trial for stage in stages_of(self.spec, self.task, stored) for trial in stage.trials]
        return StudyProgress(rows_of(trials, stored), Counter(trial.label for trial in trials))

    def _labels_of(self, optimizer: str) -> set[str]:
        """Return the labels of an optimizer's own grid."""
        alone = self.spec.model_copy(update={"optimizers": {optimizer: self.spec.optimizers[optimizer]}})
        return set(planned_cells(alone)["label"])


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


def open_studies(location: str | Path, imports: Path | None = None) -> list[StoredStudy]:
    """Open the study in a folder, or those of the suite in it, in the order of its file.

    Args:
        location: The folder.
        imports: As for ``StoredStudy.open``.

    Raises:
        StoreError: If a folder holds no study, or what it remembers is damaged.
        SpecError: If a study file is not valid.
    """
    return [StoredStudy.open(folder, imports) for folder in study_folders(location)]


def status(location: str | Path) -> pd.DataFrame:
    """Return, for each optimizer of the study in a folder and for all together, how many trials are done.

    Where a search was begun, each of its points has a line too.

    Returns:
        Columns ``optimizer``, ``planned``, ``completed``, ``diverged``, ``failed``, ``missing``; the last row
        is ``all``. For a suite the first column is ``workload``: each workload has its rows, and ``all`` has one.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is not valid.
    """
    return status_of(open_studies(location))


def status_of(studies: Sequence[StoredStudy]) -> pd.DataFrame:
    """Return what ``status`` returns, of studies that are open: one, or the workloads of a suite."""
    if len(studies) == 1:
        return studies[0].status()
    tables = [study.status() for study in studies]
    whole = pd.concat([table[-1:] for table in tables]).sum(numeric_only=True)
    tables.append(pd.DataFrame([{"optimizer": "all", **whole}]))
    workloads = [study.spec.workload for study in studies]
    return pd.concat(
        [
            table.assign(workload=name)[["workload", *table.columns]]
            for name, table in zip([*workloads, "all"], tables, strict=True)
        ],
        ignore_index=True,
    )


def failures(rows: pd.DataFrame) -> list[str]:
    """Return a line for each failed trial: which it is, and why it failed."""
    broken = rows[rows["status"] == "failed"]
    return [
        f"{row.trial_id} {row.label} lr={row.lr:g} seed={row.seed}: {row.reason}"
        for row in broken.itertuples(index=False)
    ]
