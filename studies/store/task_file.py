"""What a study's folder says of its task, so that readers know every trial's identity without importing the task."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Protocol

from studies.errors import StoreError
from studies.parts import Budget
from studies.results import Store
from studies.spec import StudySpec

TASK_FILE = "task.json"


class Identified(Protocol):
    """What a trial's identity takes from its task."""

    @property
    def name(self) -> str:
        """As the study file names it."""

    @property
    def version(self) -> str:
        """What the task's author raises when anything about it changes."""

    @property
    def options(self) -> Mapping[str, object]:
        """How it was made."""

    @property
    def places(self) -> Collection[str]:
        """Which of its options say where data lie: no part of its identity."""

    def steps(self, epochs: int, batch_size: int) -> int:
        """Return how many steps a trial takes."""


@dataclass(frozen=True)
class KnownTask:
    """A task as a study's folder remembers it: its identity, and nothing to train with.

    Attributes:
        name: As the study file names it.
        version: Of the task, when it was last run.
        options: How it was made, but for where its data lay.
        epochs: The budget that ``total_steps`` belongs to.
        batch_size: The same.
        total_steps: The steps of one trial.
    """

    name: str
    version: str
    options: Mapping[str, object]
    epochs: int
    batch_size: int
    total_steps: int

    @property
    def places(self) -> Collection[str]:
        """None: they are not remembered."""
        return ()

    @classmethod
    def of(cls, task: Identified, budget: Budget) -> KnownTask:
        """Return what is to be remembered of ``task``."""
        steps = task.steps(budget.epochs, budget.batch_size)
        options = {name: value for name, value in task.options.items() if name not in task.places}
        return cls(task.name, task.version, options, budget.epochs, budget.batch_size, steps)

    def steps(self, epochs: int, batch_size: int) -> int:
        """Return the steps of a trial.

        Raises:
            ValueError: If it is asked for another budget.
        """
        if (epochs, batch_size) != (self.epochs, self.batch_size):
            raise ValueError(
                f"epochs and batch_size must be {self.epochs} and {self.batch_size}, "
                f"but got {epochs} and {batch_size}"
            )
        return self.total_steps


def write_task(store: Store, task: Identified, budget: Budget) -> None:
    """Write what readers need to know of ``task`` into the study's folder."""
    known = KnownTask.of(task, budget)
    store.write_file(TASK_FILE, json.dumps(asdict(known), indent=1).encode())


def read_task(store: Store, spec: StudySpec) -> KnownTask | None:
    """Return the task of ``spec`` as the folder remembers it; None where it remembers none or another.

    Raises:
        StoreError: If the file is damaged.
    """
    content = store.read_file(TASK_FILE)
    if content is None:
        return None
    try:
        known = KnownTask(**json.loads(content))
        fits = isinstance(known.name, str) and isinstance(known.version, str)
        fits &= isinstance(known.options, dict) and isinstance(known.total_steps, int)
    except (ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise StoreError(
            f"{store.location}/{TASK_FILE}: is damaged: remove it and give `robustness run` again"
        )
    same = (known.name, known.epochs, known.batch_size) == (
        spec.task.name,
        spec.budget.epochs,
        spec.budget.batch_size,
    )
    return known if same else None
