"""The surfaces of a search, trained into its store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol

import pandas as pd

from robustness.tasks import Task
from robustness.training import Engine
from studies.planning.plan import Plan, cut, without
from studies.planning.stages import asked_for
from studies.planning.trials import Trial
from studies.planning.workers import Workers
from studies.spec.errors import SweepError
from studies.spec.study import StudySpec
from studies.store.resume import ResumedStore
from studies.sweep.cluster import connected
from studies.sweep.sweep import Progress, sweep_into


class SearchProgress(Progress, Protocol):
    """Is told how far a search is.

    Attributes:
        note: How far, in a few words.
    """

    note: str

    def expect(self, left: int) -> None:
        """Note that ``left`` more trials are to come."""


class Surfaces:
    """Trains surfaces into a store: what of them is not stored yet.

    Args:
        spec: The study.
        task: Its task.
        engine: How to train.
        workers: Where.
        stored: Where rows go.
        progress: Is told of each trial.
        notice: Is given what the user should know while it runs.
        stack: Closes what is opened here: Ray, which is started by the first batch that needs it.
    """

    def __init__(
        self,
        spec: StudySpec,
        task: Task,
        engine: Engine,
        workers: Workers,
        stored: ResumedStore,
        progress: SearchProgress,
        notice: Callable[[str], None],
        stack: ExitStack,
    ) -> None:
        self.spec, self.task, self.engine, self.workers = spec, task, engine, workers
        self.stored, self.progress, self.notice, self.stack = stored, progress, notice, stack

    def train(self, surfaces: Sequence[Sequence[Trial]]) -> list[pd.DataFrame]:
        """Train ``surfaces`` together and return the rows of each, under the labels and roles they have here.

        Packs are cut from all of them, replicate by replicate, as a grid of the same trials would be; what is
        stored is taken out after.

        Raises:
            SweepError: If some could not be trained; all others are stored.
        """
        order = {seed: index for index, seed in enumerate(self.spec.seeds)}
        unique = {trial.trial_id: trial for surface in surfaces for trial in surface}
        trials = sorted(
            unique.values(), key=lambda trial: order.get(trial.settings.seed, trial.settings.seed)
        )
        packs = without(cut(trials, self.engine), self.stored.trial_ids())
        problems: list[str] = []
        if packs:
            self.stack.enter_context(connected(self.workers))
            work = Plan(self.spec, self.task, tuple(trials), packs, self.engine)
            problems = sweep_into(self.stored, work, self.workers, self.progress, self.notice)
        rows = self.stored.rows()
        trained = [asked_for(rows, surface) for surface in surfaces]
        missing = sum(len(surface) - len(frame) for surface, frame in zip(surfaces, trained, strict=True))
        if missing:
            reason = problems[0] if problems else "no row came back"
            raise SweepError(f"{missing} trials could not be trained: {reason}; the same command tries again")
        return trained
