"""A study's plan: its trials, cut into packs, less those that are stored already."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from robustness.tasks import BaseTask
from robustness.training import Engine, choose, signature
from studies.planning.extension import fresh_seeds
from studies.planning.readiness import check_ready
from studies.planning.stages import Stage
from studies.planning.trials import Trial, expand
from studies.spec.errors import InputError
from studies.spec.study import StudySpec

SEQUENTIAL_PACK = 8
"""At most so many trials are in a pack where they are trained one after the other."""
SEQUENTIAL_PACKS = 32
"""A study that is trained one trial after the other has about so many packs, if that makes them smaller."""
FEWEST_PACKS = 2
"""Trials that may be fused are cut into at least so many packs, so that workers share them evenly."""


@dataclass(frozen=True)
class Pack:
    """Trials that one worker trains together, or one after the other.

    Attributes:
        pack_id: Depends on the trials that were cut into it, those that are stored by now included.
        trials: Those to train.
    """

    pack_id: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Plan:
    """The trials of a study, and the packs that are still to run.

    Attributes:
        spec: The study, with a number for its ``batch_size``.
        task: Its task, loaded.
        trials: All its trials.
        packs: The trials that are not stored yet, in packs.
        engine: How packs are trained.
    """

    spec: StudySpec
    task: BaseTask
    trials: tuple[Trial, ...]
    packs: tuple[Pack, ...]
    engine: Engine

    @property
    def pending(self) -> int:
        """The number of trials that are not stored yet."""
        return sum(len(pack.trials) for pack in self.packs)


def plan(spec: StudySpec, stored: set[str], *, device: str = "cpu", engine: str = "auto") -> Plan:
    """Load the study's task, expand its trials, choose an engine and cut the trials into packs.

    Packs are cut from all trials of the study, and the ``stored`` ones are taken out afterwards: so an interrupted
    study goes on with the same packs as before.

    Args:
        spec: The study, with its optimizers loaded.
        stored: The ids of trials that need not run.
        device: ``cpu`` or ``cuda``.
        engine: ``auto`` (by a short measurement), ``fused`` or ``sequential``.

    Raises:
        SpecError: If the task cannot be made or trained by each of the optimizers, a batch is larger than its
            training split, or two of the study's optimizers mean the same trials.
        InputError: If ``engine`` is not valid, or the task cannot be trained by it.
    """
    task = spec.load_task()
    spec = spec.resolved(task)
    trials = expand(spec, task)
    check_ready(spec, task, [trial for trial in trials if trial.trial_id not in stored], device)
    try:
        # this machine's cores, whatever --workers says: any number of workers is to train a study in the same way
        chosen = choose(task, [trial.settings for trial in trials], device, engine, os.cpu_count() or 1)
    except ValueError as error:
        raise InputError(f"--engine: {engine}: {error}") from error
    return Plan(spec, task, tuple(trials), without(cut(trials, chosen), stored), chosen)


def of_stage(plan: Plan, stage: Stage, stored: set[str]) -> Plan:
    """Return the plan of one stage of a planned study, less what is ``stored``, with the same engine.

    Each stage is cut into packs by itself, so that a study that grows keeps the packs that it has.
    """
    packs = without(cut(stage.trials, plan.engine), stored)
    return replace(plan, trials=stage.trials, packs=packs)


def following(plan: Plan, trials: Sequence[Trial]) -> Plan:
    """Return the plan of ``trials`` that follow from the rows of those in ``plan``, with the same engine."""
    return replace(plan, trials=tuple(trials), packs=cut(trials, plan.engine) if trials else ())


def cut(trials: Sequence[Trial], engine: Engine) -> tuple[Pack, ...]:
    """Cut ``trials`` into packs.

    A pack of fused trials has one signature, and one seed where the trials of a seed are at least half a pack.
    """
    if engine.name == "sequential":
        most = math.ceil(len(trials) / SEQUENTIAL_PACKS) if trials else 1
        return tuple(map(_pack, _even(trials, min(SEQUENTIAL_PACK, most))))
    packs: list[Pack] = []
    for alike in _grouped(trials, lambda trial: signature(trial.settings)):
        seeds = _grouped(alike, lambda trial: trial.settings.seed)
        filled = all(2 * len(group) >= engine.pack_size for group in seeds)
        for group in seeds if filled else [alike]:
            size = min(engine.pack_size, max(math.ceil(len(group) / FEWEST_PACKS), engine.rows))
            packs += map(_pack, _even(group, size))
    return tuple(packs)


def _grouped(trials: Iterable[Trial], key: Callable[[Trial], Any]) -> list[list[Trial]]:
    groups: dict[Any, list[Trial]] = {}
    for trial in trials:
        groups.setdefault(key(trial), []).append(trial)
    return list(groups.values())


def _even(trials: Sequence[Trial], most: int) -> list[tuple[Trial, ...]]:
    """Cut into as few runs of at most ``most`` as possible, whose sizes differ by at most one."""
    count = max(1, math.ceil(len(trials) / most))
    bounds = [round(index * len(trials) / count) for index in range(count + 1)]
    return [tuple(trials[start:end]) for start, end in pairwise(bounds)]


def _pack(trials: tuple[Trial, ...]) -> Pack:
    digest = hashlib.sha256("".join(trial.trial_id for trial in trials).encode()).hexdigest()
    return Pack(digest[:12], trials)


def without(packs: Iterable[Pack], stored: set[str]) -> tuple[Pack, ...]:
    """Return ``packs`` without the trials that are ``stored``, and without packs that are then empty."""
    pending = (
        replace(pack, trials=tuple(trial for trial in pack.trials if trial.trial_id not in stored))
        for pack in packs
    )
    return tuple(pack for pack in pending if pack.trials)


def likely_confirmation(plan: Plan) -> tuple[Pack, ...]:
    """Return packs like those of the fresh seeds that the study asks for, whose cells are not known yet."""
    if not plan.spec.confirm:
        return ()
    first = {trial.label: trial for trial in reversed(plan.trials)}
    seeds = fresh_seeds(plan.spec.seeds, plan.spec.confirm)
    likely = [
        replace(trial, settings=replace(trial.settings, seed=seed))
        for trial in first.values()
        for seed in seeds
    ]
    return cut(likely, plan.engine)
