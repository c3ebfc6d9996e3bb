"""Checkpoints of long trials: a folder beside the rows, emptied as the rows come in."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustness.training import Checkpoint
from studies.planning.trials import Trial
from studies.spec.study import StudySpec
from studies.store.layout import CHECKPOINTS
from studies.store.store import Store


@dataclass(frozen=True)
class Checkpoints:
    """Where long trials are saved, and after how many epochs each time.

    A worker that does not reach the folder (on another machine, without a shared disk) saves nothing: its trials
    then begin anew when they are lost.

    Attributes:
        folder: An absolute path.
        every: Epochs.
    """

    folder: str
    every: int

    def of(self, trials: Sequence[Trial]) -> Checkpoint | None:
        """Return the file that ``trials``, trained together, are saved in; None where the folder is not reached."""
        folder = Path(self.folder)
        return Checkpoint(folder / self.name(trials), self.every) if folder.is_dir() else None

    @staticmethod
    def name(trials: Sequence[Trial]) -> str:
        """Return the name of the file that ``trials``, trained together, are saved in."""
        return hashlib.sha256("".join(trial.trial_id for trial in trials).encode()).hexdigest()[:16] + ".pt"

    def drop(self, names: Iterable[str]) -> None:
        """Remove checkpoints whose trials are stored."""
        for name in names:
            (Path(self.folder) / name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove them all: the study is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)


def checkpoints(spec: StudySpec, store: Store) -> Checkpoints | None:
    """Make the folder for the checkpoints of a study that asks for them; only a local folder can hold them."""
    if spec.checkpoint is None or "://" in store.location:
        return None
    folder = Path(store.root) / CHECKPOINTS
    folder.mkdir(parents=True, exist_ok=True)
    return Checkpoints(str(folder), spec.checkpoint.epochs)
