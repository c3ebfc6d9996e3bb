"""The study that a folder holds, opened once: what it asks for, the rows of what is done of it, how far it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from studies.planning.known_task import KnownTask
from studies.planning.search_trials import point_size
from studies.planning.stages import rows_of, stages
from studies.planning.trials import in_study, planned_cells
from studies.spec.errors import StoreError
from studies.spec.study import StudySpec, study_name
from studies.store.layout import SEARCH_RECORD, STUDY_FILE
from studies.store.store import Store, open_existing
from studies.store.task_file import read_task

STATUSES = ["completed", "diverged", "failed"]
TO_COME = "points to come"
"""What stands for a label where points of a search are not suggested yet."""


@dataclass(frozen=True)
class StudyProgress:
    """How far a study is.

    Attributes:
        rows: Of the trials that it asks for; those that it no longer asks for are hidden.
        planned: How many trials of each label are known to be wanted; later stages follow from the rows.
    """

    rows: pd.DataFrame
    planned: Mapping[str, int]


@dataclass(frozen=True)
class StoredStudy:
    """A study in its folder. Nothing that the study names is imported.

    Attributes:
        store: The folder.
        spec: The study.
    """

    store: Store
    spec: StudySpec

    @classmethod
    def open(cls, location: str | Path, folder: Path | None = None) -> StoredStudy:
        """Open the study in a folder.

        Args:
            location: The folder.
            folder: Where a task of a user's own is imported from, if it is to be imported.

        Raises:
            StoreError: If the folder holds no study.
            SpecError: If the study file in it is not valid.
        """
        store = open_existing(location)
        text, source = store.read_study() or "", f"{location}/{STUDY_FILE}"
        return cls(store, StudySpec.from_text(text, source, folder))

    @cached_property
    def task(self) -> KnownTask | None:
        """The task as the folder remembers it.

        Raises:
            StoreError: If what it remembers is damaged.
        """
        return read_task(self.store, self.spec)

    @cached_property
    def grid_progress(self) -> StudyProgress:
        """How far the grid is, with what followed from it; read when it is first asked for."""
        return self._grid_progress(self.store.rows())

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the trials of ``grid_progress``."""
        return self.grid_progress.rows

    @property
    def planned(self) -> Mapping[str, int]:
        """The planned trials of ``grid_progress``."""
        return self.grid_progress.planned

    def _grid_progress(self, stored: pd.DataFrame) -> StudyProgress:
        """Tell the rows of the study from the ``stored`` ones.

        Where the folder does not say which version of its task was trained, they are told by what they show.
        """
        if self.task is None:
            cells = planned_cells(self.spec)["label"].value_counts(sort=False) * len(self.spec.seeds)
            return StudyProgress(in_study(stored, self.spec), {str(label): n for label, n in cells.items()})
        trials = [trial for stage in stages(self.spec, self.task, lambda: stored) for trial in stage.trials]
        return StudyProgress(rows_of(trials, stored), Counter(trial.label for trial in trials))

    def progress(self) -> StudyProgress:
        """Read how far the study is now, with the points of a search that was begun in the folder.

        A search trains points in the place of the searched optimizer's own grid. Those that are not suggested yet
        are planned as ``TO_COME``; fresh seeds are planned for a label once the first of its own are stored.
        """
        stored = self.store.rows()
        grid = self._grid_progress(stored)
        spec, search = self.spec, self.spec.search
        if search is None or self.task is None or self.store.read_file(SEARCH_RECORD) is None:
            return grid
        points, fresh = stored[stored["role"] == "search"], stored[stored["role"] == "confirm"]
        size = point_size(spec, search, self.task)
        searched = {search.optimizer: spec.optimizers[search.optimizer]}
        own = set(planned_cells(spec.model_copy(update={"optimizers": searched}))["label"])
        own -= set(grid.rows["label"])
        planned = Counter({label: count for label, count in grid.planned.items() if label not in own})
        suggested = points["label"].unique()
        planned.update(dict.fromkeys(suggested, size))
        planned.update({TO_COME: max(0, search.wanted - len(suggested)) * size})
        planned.update(
            dict.fromkeys(fresh["label"].unique(), size // len(spec.seeds) * (search.confirm or 0))
        )
        together = pd.concat([grid.rows, points, fresh], ignore_index=True).drop_duplicates("trial_id")
        return StudyProgress(together, +planned)


def open_store(spec: StudySpec, out: str | Path | None) -> Store:
    """Return the store of a study (default ``runs/<name>``), which must be new or hold this very study.

    Raises:
        StoreError: If the folder holds another study or something else.
    """
    store = Store(out if out is not None else Path("runs") / spec.name)
    text = store.read_study()
    source = f"{store.location}/{STUDY_FILE}"
    if text is not None and (name := study_name(text, source)) != spec.name:
        raise StoreError(
            f"{source}: name: holds the study {name!r}, not {spec.name!r}: give another folder with --out"
        )
    return store


def status(location: str | Path) -> pd.DataFrame:
    """Return, for each optimizer of the study in a folder and for all, how many trials are where.

    Where a search was begun, each of its points has a line too.

    Returns:
        Columns ``optimizer``, ``planned``, ``completed``, ``diverged``, ``failed``, ``missing``; the last row
        is ``all``.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is not valid.
    """
    progress = StoredStudy.open(location).progress()
    planned = pd.Series(progress.planned, dtype="int64")
    counts = pd.crosstab(progress.rows["label"], progress.rows["status"])
    counts = counts.reindex(index=planned.index, columns=STATUSES, fill_value=0)
    counts.insert(0, "planned", planned)
    counts["missing"] = counts["planned"] - counts[STATUSES].sum(axis=1)
    counts.loc["all"] = counts.sum()
    return counts.rename_axis("optimizer").reset_index().rename_axis(None, axis=1)


def failures(rows: pd.DataFrame) -> list[str]:
    """Return a line for each failed trial: which it is, and why it failed."""
    broken = rows[rows["status"] == "failed"]
    return [
        f"{row.trial_id} {row.label} lr={row.lr:g} seed={row.seed}: {row.reason}"
        for row in broken.itertuples(index=False)
    ]
