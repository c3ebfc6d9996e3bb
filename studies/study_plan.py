"""What a study would train and what that would take; nothing is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studies.planning.plan import Plan, plan
from studies.planning.search_trials import count_trials
from studies.planning.stages import after_the_grid
from studies.planning.workers import workplace
from studies.spec.presets import load_spec
from studies.store.resume import ResumedStore
from studies.store.study_folder import open_store
from studies.sweep.admission import admit
from studies.sweep.estimate import Cost, estimate


@dataclass(frozen=True)
class Forecast:
    """What a study would train and what that would take.

    Attributes:
        plan: Its trials and packs, less what is stored.
        cost: What they would take.
        later: What is chosen after the grid, in words, by the key of the study file that asks for it.
        searched: How many trials ``robustness search`` would train, fresh seeds left out; None without a search.
        notes: How the study differs from what its folder holds, a line each.
    """

    plan: Plan
    cost: Cost
    later: Mapping[str, str]
    searched: int | None
    notes: Sequence[str] = ()


def plan_study(
    study: str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    device: str = "auto",
    engine: str = "auto",
    accept_changed_code: bool = False,
) -> Forecast:
    """Plan a study: its trials, less what its folder holds, and their cost.

    Args:
        study: A preset's name or the path of a YAML file.
        out: The study's folder; default ``runs/<name>``.
        workers: As for ``studies.run``.
        device: As for ``studies.run``.
        engine: As for ``studies.run``.
        accept_changed_code: As for ``studies.run``.

    Raises:
        SpecError: If the study is not valid.
        StoreError: If the folder holds another study, or rows of changed code.
        InputError: If another argument is not valid.
    """
    spec = load_spec(study).load_optimizers()
    where = workplace(workers, None, device)
    stored = ResumedStore(open_store(spec, out), flatness=spec.flatness)
    work = plan(spec, stored.trial_ids(), device=where.device, engine=engine)
    admitted = admit(stored, work.spec, work.task, work.trials, accept_changed_code=accept_changed_code)
    searched = None if spec.search is None else count_trials(work.spec, spec.search, work.task)
    return Forecast(work, estimate(work, where), after_the_grid(spec), searched, admitted.notes)
