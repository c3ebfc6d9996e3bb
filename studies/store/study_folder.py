"""What the study in a folder asks for, and the rows of what is done of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from studies.results import open_existing
from studies.spaces import RECORD
from studies.spec import StudySpec
from studies.stages import asked_for, stages
from studies.surfaces import point_size
from studies.taskfile import read_task
from studies.trials import in_study, planned_cells

TO_COME = "points to come"
"""What stands for a label where points of a search are not suggested yet."""


@dataclass(frozen=True)
class Asked:
    """A stored study.

    Attributes:
        spec: The study.
        rows: Of the trials that it asks for; those that it no longer asks for are hidden.
        planned: How many trials of each label are known to be wanted; later stages follow from the rows.
    """

    spec: StudySpec
    rows: pd.DataFrame
    planned: Mapping[str, int]


def read_asked(location: str | Path) -> Asked:
    """Read the study in a folder. Nothing that the study names is imported.

    Where the folder does not say which version of its task was trained, rows are told by what they show.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is not valid.
    """
    store = open_existing(location)
    spec = StudySpec.from_text(store.read_study() or "", source=f"{location}/study.yaml")
    rows = store.rows()
    task = read_task(store, spec)
    if task is None:
        cells = planned_cells(spec)["label"].value_counts(sort=False) * len(spec.seeds)
        return Asked(spec, in_study(rows, spec), {str(label): n for label, n in cells.items()})
    trials = [trial for stage in stages(spec, task, lambda: rows) for trial in stage.trials]
    return Asked(spec, asked_for(rows, trials), Counter(trial.label for trial in trials))


def read_progress(location: str | Path) -> Asked:
    """Read the study in a folder, and the points of a search that was begun there.

    A search trains points in the place of the searched optimizer's own grid. Those that are not suggested yet are
    planned as ``TO_COME``; fresh seeds are planned for a label once the first of its own are stored.

    Raises:
        StoreError: If the folder holds no study.
        SpecError: If the study file in it is not valid.
    """
    asked = read_asked(location)
    spec, search = asked.spec, asked.spec.search
    if search is None:
        return asked
    store = open_existing(location)
    task = read_task(store, spec)
    if task is None or store.read_file(RECORD) is None:
        return asked
    rows = store.rows()
    points, fresh = rows[rows["role"] == "search"], rows[rows["role"] == "confirm"]
    size = point_size(spec, search, task)
    searched = {search.optimizer: spec.optimizers[search.optimizer]}
    own = set(planned_cells(spec.model_copy(update={"optimizers": searched}))["label"])
    own -= set(asked.rows["label"])
    planned = Counter({label: count for label, count in asked.planned.items() if label not in own})
    suggested = points["label"].unique()
    planned.update(dict.fromkeys(suggested, size))
    planned.update({TO_COME: max(0, search.wanted - len(suggested)) * size})
    planned.update(dict.fromkeys(fresh["label"].unique(), size // len(spec.seeds) * (search.confirm or 0)))
    together = pd.concat([asked.rows, points, fresh], ignore_index=True).drop_duplicates("trial_id")
    return Asked(spec, together, +planned)
