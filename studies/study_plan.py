"""What a study or suite would train and what that would take; nothing is run."""

from __future__ import annotations

from pathlib import Path

from studies.planning.search_trials import count_trials
from studies.planning.stages import after_the_grid
from studies.planning.workers import workplace
from studies.reports.workloads import check_distinct
from studies.spec.presets import load_spec
from studies.spec.study import StudySpec
from studies.store.resume import ResumedStore
from studies.store.suites.opening import hidden_workloads, open_stores
from studies.study_run import make_ready
from studies.sweep.estimate import Forecast, SuiteForecast, estimate, together


def plan_study(
    study: str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    device: str = "auto",
    engine: str = "auto",
    accept_changed_code: bool = False,
) -> Forecast | SuiteForecast:
    """Plan a study, or each workload of a suite: its trials, less what its folder holds, and their cost.

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
    parts = [spec] if isinstance(spec, StudySpec) else spec.studies
    store, stores = open_stores(spec, out)
    forecasts = []
    for part, own in zip(parts, stores, strict=True):
        where = workplace(workers, None, device)
        stored = ResumedStore(own, flatness=part.flatness)
        ready = make_ready(part, where, stored, engine=engine, accept_changed_code=accept_changed_code)
        work = ready.work
        searched = None if part.search is None else count_trials(work.spec, part.search, work.task)
        cost = estimate(work, where)
        forecasts.append(Forecast(work, cost, after_the_grid(part), searched, ready.admitted.notes))
    if isinstance(spec, StudySpec):
        return forecasts[0]
    check_distinct((forecast.plan.spec, forecast.plan.task) for forecast in forecasts)
    cost = together([forecast.cost for forecast in forecasts])
    workloads = dict(zip(spec.workloads, forecasts, strict=True))
    return SuiteForecast(spec.name, workloads, cost, hidden_workloads(spec, store))
