"""The trials of a search: the surfaces of its points and of its references, and fresh seeds of both."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from robustness.tasks import BaseTask
from robustness.training import Engine, choose
from studies.planning.extension import fresh_seeds
from studies.planning.known_task import Identified
from studies.planning.readiness import check_ready
from studies.planning.trials import Trial, expand, trial_id
from studies.spec.errors import InputError
from studies.spec.search import Range, SearchSpec, at_values
from studies.spec.study import StudySpec
from studies.spec.values import Scalar

logger = logging.getLogger("studies")


def reference_trials(spec: StudySpec, search: SearchSpec, task: BaseTask) -> list[Trial]:
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


def with_fresh_seeds(spec: StudySpec, trials: Sequence[Trial], number: int, task: BaseTask) -> list[Trial]:
    """Return the trials at the cells of ``trials`` with ``number`` fresh seeds."""
    seeds = fresh_seeds(spec.seeds, number)
    cells = [trial for trial in trials if trial.settings.seed == spec.seeds[0]]
    return [_with_seed(trial, seed, task) for seed in seeds for trial in cells]


def _with_seed(trial: Trial, seed: int, task: BaseTask) -> Trial:
    settings = replace(trial.settings, seed=seed)
    return replace(trial, trial_id=trial_id(task, settings), role="confirm", settings=settings)


def point_size(spec: StudySpec, search: SearchSpec, task: Identified) -> int:
    """Return how many trials the surface of a point has."""
    return len(point_trials(spec, search, task, typical_point(search)))


def count_trials(spec: StudySpec, search: SearchSpec, task: BaseTask) -> int:
    """Return how many trials the points and the references of a search are; the confirmation comes on top."""
    return search.wanted * point_size(spec, search, task) + len(reference_trials(spec, search, task))


def choose_engine(
    spec: StudySpec, search: SearchSpec, task: BaseTask, wanted: int, device: str, engine: str
) -> Engine:
    """Choose how to train the whole search.

    Raises:
        SpecError: If the task cannot be trained, by one of the optimizers at least.
        InputError: If ``engine`` is not valid, or the task cannot be trained by it.
    """
    trials = typical_trials(spec, search, task)
    check_ready(spec, task, trials, device)
    point = [trial for trial in trials if trial.role == "search"]
    settings = [trial.settings for trial in (*trials, *point * (wanted - 1))]
    try:
        return choose(task, settings, device, engine, os.cpu_count() or 1)
    except ValueError as error:
        raise InputError(f"--engine: {engine}: {error}") from error


def typical_trials(spec: StudySpec, search: SearchSpec, task: BaseTask) -> list[Trial]:
    """Return the trials of a point from the middle of the space, and of the references.

    They are in the order of the study, so that the trial that is measured and the size of packs are those of a grid.
    """
    point = point_trials(spec, search, task, typical_point(search))
    references = reference_trials(spec, search, task)
    first = next(iter(spec.optimizers)) == search.optimizer
    return [*point, *references] if first else [*references, *point]


def typical_point(search: SearchSpec) -> dict[str, Scalar]:
    """Return a point from the middle of the space."""
    middle: dict[str, Scalar] = {}
    for name, axis in search.space.items():
        if not isinstance(axis, Range):
            middle[name] = axis[0]
        elif axis.log:
            middle[name] = axis.rounded(math.sqrt(axis.low * axis.high))
        else:
            # not the middle: an exponent of 0.5 is a square root, which is cheaper than other powers
            middle[name] = axis.rounded(axis.low + 0.43 * (axis.high - axis.low))
    return middle
