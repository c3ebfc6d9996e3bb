"""The surfaces that a search trains: those of its points and those of its references."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

import pandas as pd

from robustness.tasks import Task
from robustness.training import Engine, choose
from studies.cluster import connected
from studies.errors import InputError, SweepError
from studies.grids import Scalar
from studies.growth import fresh_seeds
from studies.plan import Plan, cut, without
from studies.progress import ProgressLine
from studies.results import Store
from studies.spaces import Range, SearchSpec, at_values
from studies.spec import StudySpec
from studies.stages import asked_for
from studies.sweep import Workers, sweep
from studies.trials import Identified, Trial, expand, trial_id
from studies.worker import Finished

logger = logging.getLogger("studies")


def reference_trials(spec: StudySpec, search: SearchSpec, task: Task) -> list[Trial]:
    """Return the trials of all optimizers of the study but the searched one."""
    others = {key: entry for key, entry in spec.optimizers.items() if key != search.optimizer}
    return expand(spec.model_copy(update={"optimizers": others}), task)


def point_trials(
    spec: StudySpec, search: SearchSpec, task: Identified, values: Mapping[str, Scalar]
) -> list[Trial]:
    """Return the surface of the searched optimizer at ``values``: the trials that a grid would hold there."""
    listed = {name: (values[name],) for name in search.space}
    entry = at_values(spec.optimizers[search.optimizer], listed)
    trials = expand(spec.model_copy(update={"optimizers": {search.optimizer: entry}}), task)
    return [replace(trial, role="search") for trial in trials]


def with_fresh_seeds(spec: StudySpec, trials: Sequence[Trial], number: int, task: Task) -> list[Trial]:
    """Return the cells of ``trials`` with ``number`` fresh seeds."""
    seeds = fresh_seeds(spec.seeds, number)
    cells = [trial for trial in trials if trial.settings.seed == spec.seeds[0]]
    return [_again(trial, seed, task) for seed in seeds for trial in cells]


def _again(trial: Trial, seed: int, task: Task) -> Trial:
    settings = replace(trial.settings, seed=seed)
    return replace(trial, trial_id=trial_id(task, settings), role="confirm", settings=settings)


def point_size(spec: StudySpec, search: SearchSpec, task: Identified) -> int:
    """Return how many trials a point takes."""
    return len(point_trials(spec, search, task, typical_point(search)))


def count_trials(spec: StudySpec, search: SearchSpec, task: Task) -> int:
    """Return how many trials the points and the references of a search are; the confirmation comes on top."""
    return search.wanted * point_size(spec, search, task) + len(reference_trials(spec, search, task))


def choose_engine(
    spec: StudySpec, search: SearchSpec, task: Task, wanted: int, device: str, engine: str
) -> Engine:
    """Choose how to train the whole search.

    Raises:
        InputError: If ``engine`` is not valid, or the task cannot be trained by it.
    """
    point = point_trials(spec, search, task, typical_point(search))
    references = reference_trials(spec, search, task)
    # in the order of the study, so that the same trial is measured as for a grid, and packs are as large
    first = next(iter(spec.optimizers)) == search.optimizer
    trials = [*point, *references] if first else [*references, *point]
    settings = [trial.settings for trial in (*trials, *point * (wanted - 1))]
    try:
        return choose(task, settings, device, engine, os.cpu_count() or 1)
    except ValueError as error:
        raise InputError(f"--engine: {engine}: {error}") from error


def typical_point(search: SearchSpec) -> dict[str, Scalar]:
    """Return a point from the middle of the space."""
    middle: dict[str, Scalar] = {}
    for name, axis in search.space.items():
        if not isinstance(axis, Range):
            middle[name] = axis[0]
        elif axis.log:
            middle[name] = axis.rounded(math.sqrt(axis.low * axis.high))
        else:
            # an exponent such as 0.5 is cheaper than others, and not typical
            middle[name] = axis.rounded(axis.low + 0.43 * (axis.high - axis.low))
    return middle


class Surfaces:
    """Trains surfaces into a store: what of them is not stored yet.

    Args:
        spec: The study.
        task: Its task.
        engine: How to train.
        workers: Where.
        store: Where rows go.
        line: Shows the progress.
        stack: Closes what is opened here: Ray, which is started by the first batch that needs it.
    """

    def __init__(
        self,
        spec: StudySpec,
        task: Task,
        engine: Engine,
        workers: Workers,
        store: Store,
        line: ProgressLine,
        stack: ExitStack,
    ) -> None:
        self.spec, self.task, self.engine, self.workers = spec, task, engine, workers
        self.store, self.line, self.stack = store, line, stack

    def train(self, surfaces: Sequence[Sequence[Trial]]) -> list[pd.DataFrame]:
        """Train ``surfaces`` together and return the rows of each, under the labels and roles they have here.

        Packs are cut from all of them, replicate by replicate, as a grid of the same trials would be; what is
        stored is taken out after.

        Raises:
            SweepError: If some could not be trained; all others are stored.
        """
        order = {seed: place for place, seed in enumerate(self.spec.seeds)}
        unique = {trial.trial_id: trial for surface in surfaces for trial in surface}
        trials = sorted(
            unique.values(), key=lambda trial: order.get(trial.settings.seed, trial.settings.seed)
        )
        packs = without(cut(trials, self.engine), self.store.trial_ids())
        problems: list[str] = []
        if packs:
            self.stack.enter_context(connected(self.workers))
            work = Plan(self.spec, self.task, tuple(trials), packs, self.engine)
            problems = sweep(work, self.workers, self._on_finished)
        rows = self.store.rows()
        found = [asked_for(rows, surface) for surface in surfaces]
        missing = sum(len(surface) - len(frame) for surface, frame in zip(surfaces, found, strict=True))
        if missing:
            reason = problems[0] if problems else "no row came back"
            raise SweepError(f"{missing} trials could not be trained: {reason}; the same command tries again")
        return found

    def _on_finished(self, finished: Finished) -> None:
        self.store.append(finished.rows, finished.curves)
        self.line.update(row["status"] for row in finished.rows)
        for row in finished.rows:
            logger.info("%s %s lr=%g %s", row["trial_id"], row["label"], row["lr"], row["status"])
