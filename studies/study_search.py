"""Searching an optimizer's exponent: every point is a whole surface, scored at its best cell and for robustness.

The search asks for points in batches, trains their surfaces in packs as a grid would be, stores every row with the
role ``search``, and tells the sampler the scores in the order in which it suggested the points. What is stored is
never trained again, whether a grid or a search stored it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from studies.planning.search_trials import choose_engine
from studies.planning.trials import expand
from studies.planning.workers import workplace
from studies.reports.search import write_search
from studies.searches import record
from studies.searches.loop import SearchLoop, SearchPlan
from studies.searches.points import Points, open_url
from studies.searches.result import SearchResult
from studies.searches.surfaces import Surfaces
from studies.spec.errors import InputError, SpecError
from studies.spec.objectives import metric_of
from studies.spec.presets import load_spec
from studies.spec.search import SearchSpec
from studies.spec.study import StudySpec
from studies.spec.values import as_yaml
from studies.store.provenance import recorded
from studies.store.resume import ResumedStore
from studies.store.run_log import log_file
from studies.store.study_folder import open_store
from studies.store.task_file import write_own_code, write_task
from studies.sweep.admission import admit
from studies.terminal.search import announce, progress_line
from studies.terminal.text import engine_text, notices, tell


def search(
    study: StudySpec | str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    address: str | None = None,
    device: str = "auto",
    engine: str = "auto",
    trials: int | None = None,
    timeout: float | None = None,
    storage: str | None = None,
    accept_changed_code: bool = False,
    console: Console | None = None,
) -> SearchResult:
    """Go on with a study's search until it has its points, then confirm its front and report.

    Args:
        study: A spec, a preset's name or the path of a YAML file; it must have the key ``search``.
        out: The study's folder, a path or any ``pyarrow.fs`` address; default ``runs/<name>``.
        workers: Processes; 0 trains in this one without Ray; default one per CPU core, or per GPU.
        address: A Ray cluster's address; default: Ray is started on this machine.
        device: ``auto``, ``cpu`` or ``cuda``.
        engine: ``auto`` (the faster one, by a short measurement), ``fused`` or ``sequential``.
        trials: How many points, in place of the study's ``search.trials``.
        timeout: Seconds after which no new batch is begun.
        storage: The URL of an Optuna storage; default: a journal file in the study's folder.
        accept_changed_code: As for ``studies.run``.
        console: Where progress is shown; default: nowhere.

    Raises:
        SpecError: If the study is not valid, or has no search.
        StoreError: If the folder holds another study, another search or rows of changed code, or cannot be
            written to.
        InputError: If an argument is not valid.
        SweepError: If Ray cannot be started or reached, or trials could not be run.
    """
    started = time.monotonic()
    spec = (study if isinstance(study, StudySpec) else load_spec(study)).load_optimizers()
    trials, timeout = as_yaml([trials, timeout])
    _check_limits(trials, timeout)
    if storage is None and "://" in str(out):
        raise InputError(f"--storage: is required, because {out} is no folder of this machine")
    if (wanted := spec.search) is None:
        raise SpecError(f"{spec.name}: search: is required by `robustness search`, and is not in this study")
    where = workplace(workers, address, device, spec.budget.time_limit)
    store, task = open_store(spec, out), spec.load_task()
    spec = spec.resolved(task)
    wanted = spec.search or wanted
    plan = SearchPlan(spec, wanted, task, _wanted(wanted, trials))
    content = record.identity(spec, wanted, task)
    name = record.find(store, content)
    shared = open_url(storage) if storage else None
    console = console or Console(quiet=True)
    with store.driving():
        chosen = choose_engine(spec, wanted, task, plan.wanted, where.device, engine)
        stored = ResumedStore(store)
        admitted = admit(stored, spec, task, expand(spec, task), accept_changed_code=accept_changed_code)
        store.write_study(spec.to_yaml())
        write_task(store, admitted.task)
        write_own_code(store, spec.own)
        name = name or record.begin(store, spec, content)
        points = Points(shared or record.own_storage(store), name, wanted, metric_of(task))
        with log_file(store), recorded(store, spec, admitted.task, chosen, where), ExitStack() as stack:
            tell(console, admitted.notes)
            announce(console, plan, engine_text(chosen), store.location)
            line = stack.enter_context(progress_line(console, plan, store.trial_ids()))
            surfaces = Surfaces(spec, task, chosen, where, stored, line, notices(console), stack)
            search_loop = SearchLoop(plan, points, surfaces)
            result = search_loop.run(lambda: timeout is not None and time.monotonic() - started > timeout)
            return write_search(result, store)


def _wanted(search: SearchSpec, trials: int | None) -> int:
    if trials is None:
        return search.wanted
    return min(trials, search.wanted) if search.sampler == "grid" else trials


def _check_limits(trials: int | None, timeout: float | None) -> None:
    if trials is not None and trials < 1:
        raise InputError(f"--trials: {trials}: must be at least 1")
    if timeout is not None and not timeout > 0:
        raise InputError(f"--timeout: {timeout:g}: must be above 0 seconds")
