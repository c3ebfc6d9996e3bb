"""What the study in a folder asks for, and the rows of what is done of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from studies.results import open_existing
from studies.spec import StudySpec
from studies.stages import asked_for, stages
from studies.taskfile import read_task
from studies.trials import in_study, planned_cells


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
