"""Searching an optimizer's exponent: every point is a whole surface, scored at its best cell and for robustness.

The search asks for points in batches, trains their surfaces in packs as a grid would be, stores every row with the
role ``search``, and tells the sampler the scores in the order in which it suggested the points. What is stored is
never trained again, whether a grid or a search stored it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage
from rich.console import Console

from robustness.training import Engine
from studies.planning.plan import cut
from studies.planning.search_trials import choose_engine, typical_trials
from studies.planning.trials import expand
from studies.planning.workers import Workers, workplace
from studies.reports.search import write_search
from studies.reports.workloads import check_distinct
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
from studies.spec.suites.suite import SuiteSpec
from studies.spec.values import as_yaml
from studies.store.provenance import recorded
from studies.store.resume import ResumedStore
from studies.store.run_log import log_file
from studies.store.store import Store
from studies.store.suites.opening import hidden_workloads, open_stores
from studies.store.task_file import begin_study
from studies.sweep.admission import Admission, admit
from studies.sweep.ahead import compile_ahead
from studies.terminal.search import announce, progress_line
from studies.terminal.text import engine_text, notices, tell

logger = logging.getLogger("studies")


def search(
    study: StudySpec | SuiteSpec | str | Path,
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
) -> SearchResult | dict[str, SearchResult]:
    """Go on with a study's search until it has its points, then confirm its front and report.

    Each workload of a suite is searched on its own, one after the other, in its own folder.

    Args:
        study: A spec of a study or suite, a preset's name or the path of a YAML file; it must have the key
            ``search``.
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

    Returns:
        What was found; for a suite, by the name of the workload.

    Raises:
        SpecError: If the study is not valid, or has no search.
        StoreError: If the folder holds another study, another search or rows of changed code, or cannot be
            written to.
        InputError: If an argument is not valid.
        SweepError: If Ray cannot be started or reached, or trials could not be run.
    """
    started = time.monotonic()
    spec = (study if isinstance(study, StudySpec | SuiteSpec) else load_spec(study)).load_optimizers()
    trials, timeout = as_yaml([trials, timeout])
    _check_limits(trials, timeout)
    if storage is None and "://" in str(out):
        raise InputError(f"--storage: is required, because {out} is no folder of this machine")
    parts = spec.studies if isinstance(spec, SuiteSpec) else (spec,)
    lacking = [part for part in parts if part.search is None]
    if lacking:
        raise SpecError(
            f"{lacking[0].source}: search: is required by `robustness search`, and is not in this study"
        )
    places = [workplace(workers, address, device, part.budget.time_limit) for part in parts]
    store, stores = open_stores(spec, out)
    wanted = [
        _Wanted.of(part, own, where, trials) for part, own, where in zip(parts, stores, places, strict=True)
    ]
    shared = open_url(storage) if storage else None
    console = console or Console(quiet=True)
    with ExitStack() as driven:
        for one in dict.fromkeys((store, *stores)):
            driven.enter_context(one.driving())
        readied = [one.ready(engine, accept_changed_code) for one in wanted]
        check_distinct((one.plan.spec, one.plan.task) for one in wanted)
        for ready in readied:
            ready.begin()
        if isinstance(spec, StudySpec):
            return readied[0].search(shared, lambda: _over(started, timeout), console)
        tell(console, hidden_workloads(spec, store))
        store.write_study(spec.to_yaml())
        return {
            name: ready.search(shared, lambda: _over(started, timeout), console)
            for name, ready in zip(spec.workloads, readied, strict=True)
        }


@dataclass(frozen=True)
class _Wanted:
    """A search as it is wanted, and what its study's folder knows of it; nothing is written.

    Attributes:
        plan: The search.
        store: The study's folder.
        where: Where it is to run.
        content: What tells it from other searches.
        name: What it is called, if it was begun before.
    """

    plan: SearchPlan
    store: Store
    where: Workers
    content: Mapping[str, Any]
    name: str | None

    @classmethod
    def of(cls, study: StudySpec, store: Store, where: Workers, trials: int | None) -> _Wanted:
        """Load the task of a study, and find its search in the folder."""
        task = study.load_task()
        spec = study.resolved(task)
        assert spec.search is not None
        plan = SearchPlan(spec, spec.search, task, _points(spec.search, trials))
        content = record.identity(spec, spec.search, task)
        return cls(plan, store, where, content, record.find(store, content))

    def ready(self, engine: str, accept_changed_code: bool) -> _Ready:
        """Choose an engine, and check the study against its folder."""
        spec, search, task, points = self.plan.spec, self.plan.search, self.plan.task, self.plan.wanted
        chosen = choose_engine(spec, search, task, points, self.where.device, engine)
        stored = ResumedStore(self.store)
        admitted = admit(stored, spec, task, expand(spec, task), accept_changed_code=accept_changed_code)
        return _Ready(self, chosen, stored, admitted)


@dataclass(frozen=True)
class _Ready:
    """A search that was found fit to go on in its study's folder."""

    wanted: _Wanted
    engine: Engine
    stored: ResumedStore
    admitted: Admission

    def begin(self) -> None:
        """Make the folder the study's."""
        begin_study(self.wanted.store, self.wanted.plan.spec, self.admitted.task)
        logger.info("graphs: %s", self.expected)

    @cached_property
    def expected(self) -> str | None:
        """When compiled packs are to be expected; what they need is compiled from the first question on."""
        plan = self.wanted.plan
        first = typical_trials(plan.spec, plan.search, plan.task)
        return compile_ahead(plan.task, cut(first, self.engine), self.engine, self.wanted.where)

    def search(self, shared: BaseStorage | None, over: Callable[[], bool], console: Console) -> SearchResult:
        """Go on until all points are there or time is ``over``; ``shared`` is a storage in place of the folder's."""
        plan, store, where = self.wanted.plan, self.wanted.store, self.wanted.where
        spec, search, task = plan.spec, plan.search, plan.task
        name = self.wanted.name or record.begin(store, spec, self.wanted.content)
        points = Points(shared or record.own_storage(store), name, search, metric_of(task))
        with (
            log_file(store),
            recorded(store, spec, self.admitted.task, self.engine, where),
            ExitStack() as stack,
        ):
            tell(console, self.admitted.notes)
            announce(console, plan, engine_text(self.engine, self.expected), store.location)
            line = stack.enter_context(progress_line(console, plan, store.trial_ids()))
            surfaces = Surfaces(spec, task, self.engine, where, self.stored, line, notices(console), stack)
            return write_search(SearchLoop(plan, points, surfaces).run(over), store)


def _over(started: float, timeout: float | None) -> bool:
    return timeout is not None and time.monotonic() - started > timeout


def _points(search: SearchSpec, trials: int | None) -> int:
    if trials is None:
        return search.wanted
    return min(trials, search.wanted) if search.sampler == "grid" else trials


def _check_limits(trials: int | None, timeout: float | None) -> None:
    if trials is not None and trials < 1:
        raise InputError(f"--trials: {trials}: must be at least 1")
    if timeout is not None and not timeout > 0:
        raise InputError(f"--timeout: {timeout:g}: must be above 0 seconds")
