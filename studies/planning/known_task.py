"""A task's identity: what a trial's id takes from its task, and what a study's folder remembers of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from robustness.tasks import BaseTask
from studies.planning.known_metric import KnownMetric
from studies.spec.sections import Budget


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
        """Which of its options say where its data are stored; they are no part of its identity."""

    @property
    def code(self) -> str | None:
        """A digest of a user's own source; no part of its identity."""

    def steps(self, epochs: int, batch_size: int) -> int | None:
        """Return how many steps a trial takes; None where that is not known."""


@dataclass(frozen=True)
class KnownTask:
    """A task as a study's folder remembers it: its identity, and nothing to train with.

    Attributes:
        name: As the study file names it.
        version: Of the task, when it was last run.
        options: How it was made, without those that say where its data are stored.
        epochs: Of the study.
        batch_size: Of the study.
        total_steps: The steps of one trial with these ``epochs`` and this ``batch_size``; None where
            that is not known.
        code: A digest of a user's own source, as ``BaseTask.code``.
        accepted: Digests of other versions of that source whose rows the user has let count as of this one.
        metric: By what its rows are judged; None in folders of earlier programs.
    """

    name: str
    version: str
    options: Mapping[str, object]
    epochs: int
    batch_size: int
    total_steps: int | None
    code: str | None = None
    accepted: tuple[str, ...] = ()
    metric: KnownMetric | None = None

    @property
    def places(self) -> Collection[str]:
        """No option: where the data were stored is not remembered."""
        return ()

    @classmethod
    def of(cls, task: BaseTask, budget: Budget, accepted: tuple[str, ...] = ()) -> KnownTask:
        """Return what is to be remembered of ``task``."""
        steps = task.steps(budget.epochs, budget.batch_size)
        options = {name: value for name, value in task.options.items() if name not in task.places}
        return cls(
            task.name,
            task.version,
            options,
            budget.epochs,
            budget.batch_size,
            steps,
            task.code,
            accepted,
            KnownMetric.of(task),
        )

    def steps(self, epochs: int, batch_size: int) -> int | None:
        """Return the steps of a trial; None where they are not known.

        Raises:
            ValueError: If it is asked for another budget.
        """
        if (epochs, batch_size) != (self.epochs, self.batch_size):
            raise ValueError(
                f"epochs and batch_size must be {self.epochs} and {self.batch_size}, "
                f"but got {epochs} and {batch_size}"
            )
        return self.total_steps
