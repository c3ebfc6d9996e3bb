"""The points of a search: Optuna suggests them and is told their scores. Nothing here trains anything.

One process owns the Optuna study. A point is suggested by a sampler that sees every earlier point, also those that
have no score yet, and whose random numbers depend on the search's seed and the point's number alone. It is stored
whole, as one of Optuna's running trials, before it is trained. So a search that was killed goes on with exactly the
points that it would have had, and a running trial is always a point whose scores are still to be told.

What Optuna calls a trial is a point here; a trial is one training run.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from analysis.task_metric import ERROR, TaskMetric
from studies.spec.errors import InputError
from studies.spec.objectives import directions
from studies.spec.problems import one_line
from studies.spec.search import Range, SearchSpec
from studies.spec.values import Scalar

DIVERGED = "diverged"
STORED_BEFORE, BEGUN = "stored before the search", "begun"
LOCK_SECONDS = 5  # a lock that nobody has touched for this long was left behind by a process that was killed

Values = dict[str, Scalar]

SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "tpe": lambda seed, batch: TPESampler(seed=seed, n_startup_trials=batch),
    "gp": lambda seed, batch: GPSampler(seed=seed, n_startup_trials=batch),
    "nsga2": lambda seed, batch: NSGAIISampler(seed=seed, population_size=max(batch, 2)),
    "random": lambda seed, batch: RandomSampler(seed=seed),
}
"""Each makes a sampler from a point's seed and the size of a batch: the first batch is random, and with nsga2 each
batch is a generation."""


def open_journal(path: Path) -> BaseStorage:
    """Return Optuna's storage in the file ``path``, without a last line that was cut short by a kill."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.truncate(path, whole)
    file = str(path.absolute())
    return JournalStorage(JournalFileBackend(file, JournalFileOpenLock(file, grace_period=LOCK_SECONDS)))


def open_url(url: str) -> BaseStorage:
    """Return Optuna's storage at a URL, such as ``postgresql://…`` or ``sqlite:///file.db``.

    Raises:
        InputError: If it cannot be opened.
    """
    try:
        return optuna.storages.get_storage(url)
    except Exception as error:  # the driver of any database may raise anything
        reason = one_line(str(error))[:200]
        raise InputError(f"--storage: {url}: cannot be opened: {type(error).__name__}: {reason}") from None


class Points:
    """The points of one search: an Optuna study that this process alone writes to.

    Args:
        storage: Where it is, or is to be.
        name: Its name there.
        search: What is searched.
        metric: What its task is judged by.

    Attributes:
        directions: Whether each objective is to be minimized or maximized.
    """

    def __init__(
        self, storage: BaseStorage, name: str, search: SearchSpec, metric: TaskMetric = ERROR
    ) -> None:
        self.search = search
        self.directions = directions(search.objectives, metric)
        self.distributions = _distributions(search)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # this sampler only reopens trials, and draws nothing: ``_ask`` makes one for each point
        self.study = optuna.create_study(
            study_name=name,
            storage=storage,
            directions=list(self.directions.values()),
            sampler=RandomSampler(),
            load_if_exists=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self.study.set_metric_names(list(search.objectives))

    @property
    def begun(self) -> bool:
        """Whether the points that were stored before the search have all been added."""
        return bool(self.study.user_attrs.get(BEGUN))

    def records(self) -> list[FrozenTrial]:
        """Return Optuna's record of each point in the order of suggestion; those stored before come first."""
        return self.study.trials

    @property
    def told(self) -> int:
        """How many points have their scores, not counting those stored before the search."""
        return sum(trial.state.is_finished() for trial in self._own())

    def _own(self) -> list[FrozenTrial]:
        return [trial for trial in self.records() if STORED_BEFORE not in trial.user_attrs]

    def begin(self, points: Sequence[tuple[Values, Mapping[str, Any]]]) -> None:
        """Add points that are stored already, with their scores; called once, before the first suggestion."""
        known = [trial.params for trial in self.records()]
        for values, scores in points:
            if dict(values) not in known and _finite(scores, self.search.objectives):
                trial = create_trial(
                    state=TrialState.COMPLETE,
                    values=[scores[name] for name in self.search.objectives],
                    params=values,
                    distributions=self.distributions,
                    user_attrs={**_plain(scores), STORED_BEFORE: True},
                    constraints=self._constraints(scores),
                )
                self.study.add_trial(trial)
        self.study.set_user_attr(BEGUN, True)

    def batch(self, wanted: int) -> list[FrozenTrial]:
        """Return the points to score next: the rest of a batch that was interrupted, or a new one.

        Args:
            wanted: How many points to suggest in all, not counting those stored before.

        Returns:
            None when all points have their scores.
        """
        size = wanted if self.search.sampler == "grid" else self.search.batch
        for _ in range(len(self._own()), min((self.told // size + 1) * size, wanted)):
            self._ask()
        return [trial for trial in self.records() if trial.state == TrialState.RUNNING]

    def _ask(self) -> None:
        """Suggest one point and store it."""
        earlier = self.records()
        system: dict[str, Any] = {}
        if self.search.sampler == "grid":
            number = sum(STORED_BEFORE not in trial.user_attrs for trial in earlier)
            axes = [self.search.choices(name) for name in self.search.space]
            values = dict(zip(self.search.space, next(islice(product(*axes), number, None)), strict=True))
        else:
            # in memory: a kill while the storage asks could leave half a point there
            seed = int(np.random.SeedSequence((self.search.seed, len(earlier))).generate_state(1)[0])
            sampler = SAMPLERS[self.search.sampler](seed, self.search.batch)
            memory = optuna.create_study(directions=list(self.directions.values()), sampler=sampler)
            memory.add_trials(earlier)
            memory.ask(self.distributions)
            suggested = memory.trials[-1]
            values, system = self._rounded(suggested.params), suggested.system_attrs
        trial = create_trial(
            state=TrialState.RUNNING, params=values, distributions=self.distributions, system_attrs=system
        )
        self.study.add_trial(trial)

    def _rounded(self, values: Mapping[str, Any]) -> Values:
        axes = self.search.space.items()
        return {
            name: axis.rounded(values[name]) if isinstance(axis, Range) else values[name]
            for name, axis in axes
        }

    def tell(self, trial: FrozenTrial, scores: Mapping[str, Any]) -> None:
        """Store the scores of a point; where they are not finite (all its trials failed) the point has failed."""
        running = Trial(self.study, trial._trial_id)
        for key, value in _plain(scores).items():
            running.set_user_attr(key, value)
        for key, value in self._constraints(scores).items():
            if key not in running.constraints:
                running.set_constraint(key, value)
        if _finite(scores, self.search.objectives):
            self.study.tell(trial.number, [scores[name] for name in self.search.objectives])
        else:
            self.study.tell(trial.number, state=TrialState.FAIL)

    def _constraints(self, scores: Mapping[str, Any]) -> dict[str, float]:
        limit = self.search.max_diverged
        if limit is None or math.isnan(scores[DIVERGED]):
            return {}
        return {DIVERGED: float(scores[DIVERGED]) - limit}


def _distributions(search: SearchSpec) -> dict[str, BaseDistribution]:
    distributions: dict[str, BaseDistribution] = {}
    for name, axis in search.space.items():
        if isinstance(axis, Range):
            distributions[name] = FloatDistribution(axis.low, axis.high, log=axis.log)
        else:
            distributions[name] = CategoricalDistribution(axis)
    return distributions


def _finite(scores: Mapping[str, Any], objectives: Sequence[str]) -> bool:
    return all(math.isfinite(scores[name]) for name in objectives)


def _plain(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``scores`` with None for what JSON cannot hold: NaN and infinities."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in scores.items()
    }
