"""Training the surfaces of a search into its study's store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol

import pandas as pd

from robustness.tasks import BaseTask
from robustness.training import Engine
from studies.planning.plan import Plan, cut, without
from studies.planning.stages import rows_of
from studies.planning.trials import Trial
from studies.planning.workers import Workers
from studies.spec.errors import SweepError
from studies.spec.study import StudySpec
from studies.store.resume import ResumedStore
from studies.sweep.cluster import connected
from studies.sweep.sweep import Progress, sweep_into


class SearchProgress(Progress, Protocol):
    """Shows how far a search is.

    Attributes:
        note: Points, front and hypervolume in a few words, shown beside the counts.
    """

    note: str

    def expect(self, left: int) -> None:
        """Note that ``left`` more trials are to come."""


class Surfaces:
    """Trains the trials of surfaces that are not stored yet, and stores them.

    Args:
        spec: The study.
        task: Its task.
        engine: How to train.
        workers: Where.
        stored: What is stored, and where new rows go.
        progress: Counts trials as they are stored.
        notice: Shows a line that the user should read while trials run.
        stack: Closes what is opened here: the first batch that has anything to train starts Ray.
    """

    def __init__(
        self,
        spec: StudySpec,
        task: BaseTask,
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

        All their trials are cut into packs, replicate by replicate, as those of a grid are; then the stored ones are
        taken out, so that a search that was interrupted goes on with the same packs.

        Raises:
            SweepError: If trials could not be trained; all others are stored.
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
        trained = [rows_of(surface, rows) for surface in surfaces]
        missing = sum(len(surface) - len(frame) for surface, frame in zip(surfaces, trained, strict=True))
        if missing:
            reason = problems[0] if problems else "no row came back"
            raise SweepError(f"{missing} trials could not be trained: {reason}; the same command tries again")
        return trained
