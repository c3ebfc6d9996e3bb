"""One stored trial trained again, to see whether its numbers come back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from analysis.task_metric import ERROR
from robustness.training import Engine
from studies.planning.plan import Pack
from studies.planning.stages import Stage, stages_of
from studies.planning.trials import Trial
from studies.spec.errors import InputError, StoreError
from studies.spec.problems import did_you_mean
from studies.store.layout import STUDY_FILE
from studies.store.store import Store
from studies.store.study_folder import StoredStudy, open_studies
from studies.sweep.runner import Runner

COMPARED = {
    "status": "words",
    "stopped_step": "words",
    "init_loss": "loss",
    "train_loss": "loss",
    "train_accuracy": "accuracy",
    "val_loss": "loss",
    "val_accuracy": "accuracy",
    "test_loss": "loss",
    "test_accuracy": "accuracy",
}
LOSS_TOLERANCE = 0.02
"""Relative: trained alone, a trial of a fused pack is rounded otherwise, and the difference grows over the steps."""
ACCURACY_TOLERANCE = 0.01
"""Absolute, as a fraction."""
SHOWN = 4
"""How many trials a message names when an id's beginning fits several."""


@dataclass(frozen=True)
class Replay:
    """A stored trial beside its repetition.

    Attributes:
        trial_id: The trial's whole id.
        table: Columns ``number``, ``stored``, ``new``, ``tolerance`` and ``equal``, a row for each number.
        how: The engine and the device with which it was repeated.
    """

    trial_id: str
    table: pd.DataFrame
    how: str

    @property
    def equal(self) -> bool:
        """Whether all numbers came back within their tolerance."""
        return bool(self.table["equal"].all())


def replay(location: str | Path, prefix: str) -> Replay:
    """Train a stored trial of the study in a folder again, alone, and compare; nothing is stored.

    It is trained with the engine that it had, and on the same device if this machine has one. What was trained one
    by one on the same kind of device must come back to the last digit. What was trained in a pack, or on another
    kind of device, is rounded differently: status and stopped step must then be the same, losses and values of a
    metric agree to 2 %, and accuracies and metrics in percent to 1 percentage point.

    The task is made as ``run`` makes it: if the study names a function of the user's own, that is imported, from the
    current folder or the usual path, and called. So are optimizers of the user's own, whose code must be the same.

    Args:
        location: The folder of the study, or of a suite that has it as a workload.
        prefix: A trial's id, or enough of its beginning to tell it from others.

    Raises:
        StoreError: If the folder holds no study.
        InputError: If ``prefix`` begins no trial's id, or several.
        SpecError: If the study in the folder is not valid, its task cannot be made, or an optimizer of the user's own
            is gone.
    """
    study, rows, row = _find(open_studies(location, Path.cwd()), prefix, location)
    store = study.store
    spec = study.spec.load_optimizers()
    task = spec.load_task()
    trial = _trial(stages_of(spec, task, rows), row["trial_id"], store)
    device = row["device"] if row["device"] == "cpu" or torch.cuda.is_available() else "cpu"
    engine = "fused" if row["engine"] == "fused" else "sequential"
    runner = Runner(task, device, Engine(engine, 1, False, {}))
    finished = [new for part in runner.run(Pack("replay", (trial,))) for new in part.rows]
    exact = engine == finished[0]["engine"] == "sequential" and device == row["device"]
    return Replay(trial.trial_id, _compared(row, finished[0], exact), f"{finished[0]['engine']}, {device}")


def _find(
    studies: Sequence[StoredStudy], prefix: str, location: str | Path
) -> tuple[StoredStudy, pd.DataFrame, dict[str, Any]]:
    """Return the study that has the trial whose id begins so, all rows of that study, and the trial's own."""
    stored = [study.store.rows() for study in studies]
    ids = pd.concat([rows["trial_id"] for rows in stored]).drop_duplicates()
    fitting = ids[ids.str.startswith(prefix)]
    if len(fitting) == 1 and prefix:
        having = [rows[rows["trial_id"] == fitting.item()] for rows in stored]
        place = next(index for index, found in enumerate(having) if len(found))
        row = {str(name): value for name, value in having[place].iloc[0].items()}
        return studies[place], stored[place], row
    if fitting.empty:
        hint = did_you_mean(prefix, ids)
        raise InputError(f"{prefix!r}: begins the id of no trial in {location}{hint}")
    some = ", ".join(fitting.head(SHOWN))
    more = f" and {len(fitting) - SHOWN} more" if len(fitting) > SHOWN else ""
    raise InputError(f"{prefix!r}: must begin the id of one trial, but begins those of {some}{more}")


def _trial(planned: Iterable[Stage], trial_id: str, store: Store) -> Trial:
    """Return the trial of that id among those that the study in the folder asks for."""
    for stage in planned:
        for trial in stage.trials:
            if trial.trial_id == trial_id:
                return trial
    raise StoreError(
        f"{trial_id}: is stored, but {store.location}/{STUDY_FILE}, or what it names as it is now, no longer asks "
        "for it"
    )


def _compared(stored: dict[str, Any], new: dict[str, Any], exact: bool) -> pd.DataFrame:
    tolerances = {"words": 0.0, "loss": LOSS_TOLERANCE, "accuracy": ACCURACY_TOLERANCE}
    records = []
    for name, kind in _kinds(stored, new).items():
        before, after = (None if pd.isna(value) else value for value in (stored[name], new.get(name)))
        tolerance = 0.0 if exact else tolerances[kind]
        records.append((name, before, after, tolerance, _equal(before, after, tolerance, kind)))
    return pd.DataFrame(records, columns=["number", "stored", "new", "tolerance", "equal"], dtype=object)


def _kinds(stored: dict[str, Any], new: dict[str, Any]) -> dict[str, str]:
    """Return what is compared, and as what: the metric too, unless it is the error, which accuracies say already."""
    kinds = dict(COMPARED)
    if new["metric"] == stored["metric"] != ERROR.name:
        like = "accuracy" if new["metric_unit"] == "%" else "loss"
        kinds |= {f"{split}_metric": like for split in ("train", "val", "test")}
    return kinds


def _equal(before: Any, after: Any, tolerance: float, kind: str) -> bool:
    if before is None or after is None or kind == "words":
        return bool(before == after)
    if kind == "loss":
        return math.isclose(before, after, rel_tol=tolerance, abs_tol=0.0)
    return abs(before - after) <= tolerance
