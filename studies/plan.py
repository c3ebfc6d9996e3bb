"""A study's trials, cut into packs: what is to run, and what is there already."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from robustness.tasks import Task
from studies.spec import StudySpec
from studies.trials import Trial, expand

PACK_SIZE = 27


@dataclass(frozen=True)
class Pack:
    """Trials that one worker runs one after the other, reporting each as it ends."""

    pack_id: str
    trials: tuple[Trial, ...]


@dataclass(frozen=True)
class Plan:
    """What a study means, less what its store holds already.

    Attributes:
        spec: The study.
        task: Its task, loaded.
        trials: All its trials.
        packs: The trials that are not stored yet, in packs.
    """

    spec: StudySpec
    task: Task
    trials: tuple[Trial, ...]
    packs: tuple[Pack, ...]

    @property
    def pending(self) -> int:
        """The number of trials that are not stored yet."""
        return sum(len(pack.trials) for pack in self.packs)


def cut(trials: Sequence[Trial], size: int = PACK_SIZE) -> tuple[Pack, ...]:
    """Cut ``trials`` into packs of ``size``, in their order."""
    chunks = [tuple(trials[start : start + size]) for start in range(0, len(trials), size)]
    return tuple(Pack(_pack_id(chunk), chunk) for chunk in chunks)


def _pack_id(trials: Sequence[Trial]) -> str:
    return hashlib.sha256("".join(trial.trial_id for trial in trials).encode()).hexdigest()[:12]


def plan(spec: StudySpec, stored: set[str]) -> Plan:
    """Load the study's task, expand its trials and cut those that are not ``stored`` into packs.

    Raises:
        SpecError: If the task cannot be made or two of the study's optimizers mean the same trials.
    """
    task = spec.load_task()
    trials = expand(spec, task)
    return Plan(spec, task, tuple(trials), cut([trial for trial in trials if trial.trial_id not in stored]))
