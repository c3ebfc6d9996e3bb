"""What a study would train and what that would take; nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from studies.planning.plan import Plan, plan
from studies.planning.stages import after_the_grid
from studies.planning.workers import workplace
from studies.spec.presets import load_spec
from studies.store.resume import ResumedStore
from studies.store.study_folder import open_store
from studies.sweep.estimate import Cost, estimate


@dataclass(frozen=True)
class StudyPlan:
    """What a study is planned to do.

    Attributes:
        plan: Its trials and packs, less what is stored.
        cost: What they take.
        later: What is chosen after the grid, by the key that asks for it.
    """

    plan: Plan
    cost: Cost
    later: Mapping[str, str]


def plan_study(
    study: str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    device: str = "auto",
    engine: str = "auto",
) -> StudyPlan:
    """Plan a study: its trials, less what its folder holds, and their cost.

    Args:
        study: A preset's name or the path of a YAML file.
        out: The study's folder; default ``runs/<name>``.
        workers: As for ``studies.run``.
        device: As for ``studies.run``.
        engine: As for ``studies.run``.

    Raises:
        SpecError: If the study is not valid.
        StoreError: If the folder holds another study.
        InputError: If another argument is not valid.
    """
    spec = load_spec(study)
    places = workplace(workers, None, device)
    stored = ResumedStore(open_store(spec, out), flatness=spec.flatness).trial_ids()
    planned = plan(spec, stored, device=places.device, engine=engine)
    return StudyPlan(planned, estimate(planned, places), after_the_grid(spec))
