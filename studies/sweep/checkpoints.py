"""Checkpoints of long trials: a folder beside the rows, emptied as the rows come in.

What this covers: a trial, or a block of trials that train together, that is lost goes on from its last checkpoint,
with the numbers of an undisturbed run on the same hardware. What it does not: workers that cannot reach the folder by
the same path, studies in an object store, and blocks that are cut otherwise when they run again: these begin anew,
which costs time and changes no number. What a checkpoint holds, and when one is refused, is in
``robustness.training.checkpoints``; which trials run again is in ``turns``.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustness.training import Checkpoint
from studies.planning.trials import Trial
from studies.spec.study import StudySpec
from studies.store.layout import CHECKPOINT_SUFFIX, CHECKPOINTS
from studies.store.store import Store


@dataclass(frozen=True)
class Checkpoints:
    """Where long trials are saved, and how often.

    A worker that does not reach the folder (on another machine, without a shared disk) saves nothing: its trials
    then begin anew when they are lost.

    Attributes:
        folder: An absolute path.
        every: After how many epochs, each time.
        code: Of the task: what one version of its source has begun, another does not go on with.
    """

    folder: str
    every: int
    code: str | None = None

    @classmethod
    def of_study(cls, spec: StudySpec, store: Store, code: str | None = None) -> Checkpoints | None:
        """Make the folder for a study that asks for checkpoints; only a local folder can hold them."""
        if spec.checkpoint is None or "://" in store.location:
            return None
        folder = Path(store.root) / CHECKPOINTS
        folder.mkdir(parents=True, exist_ok=True)
        return cls(str(folder), spec.checkpoint.epochs, code)

    def of(self, trials: Sequence[Trial]) -> Checkpoint | None:
        """Return where ``trials``, trained together, are saved; None where the folder is not reached."""
        folder = Path(self.folder)
        return Checkpoint(folder / self.name(trials), self.every) if folder.is_dir() else None

    def name(self, trials: Sequence[Trial]) -> str:
        """Return the name of the file that ``trials``, trained together, are saved in."""
        ids = "".join(trial.trial_id for trial in trials) + (self.code or "")
        return hashlib.sha256(ids.encode()).hexdigest()[:16] + CHECKPOINT_SUFFIX

    def drop(self, names: Iterable[str]) -> None:
        """Remove checkpoints whose trials are stored."""
        for name in names:
            (Path(self.folder) / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove them all, the folder with them: no trial is left that could go on from one."""
        shutil.rmtree(self.folder, ignore_errors=True)
