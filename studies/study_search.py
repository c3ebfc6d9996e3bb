"""Searching an optimizer's exponent: every point is a whole surface, scored at its best cell and for robustness.

The search asks for points in batches, trains their surfaces in packs as a grid's, stores every row with the role
``search``, and tells the scores in the order in which the points were suggested. What is stored is never trained
again, whoever stored it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from studies import searched
from studies.asking import Points, open_url
from studies.catalog import load_spec
from studies.errors import InputError, SpecError
from studies.exploration import Exploration, Work
from studies.findings import Findings
from studies.logfile import log_file
from studies.plan import Plan
from studies.provenance import recorded
from studies.run import open_store, workplace
from studies.spaces import SearchSpec
from studies.spec import StudySpec
from studies.surfaces import Surfaces, choose_engine
from studies.sweep import Workers
from studies.taskfile import write_task


def search(
    study: StudySpec | str | Path,
    *,
    out: str | Path | None = None,
    workers: Workers | None = None,
    engine: str = "auto",
    trials: int | None = None,
    timeout: float | None = None,
    storage: str | None = None,
    console: Console | None = None,
) -> Findings:
    """Go on with a study's search until it has its points, then confirm its front and report.

    Args:
        study: A spec, a preset's name or the path of a YAML file; it must have the key ``search``.
        out: The study's folder, a path or any ``pyarrow.fs`` address; default ``runs/<name>``.
        workers: Where to train; default: this machine.
        engine: ``auto`` (the faster one, by a short measurement), ``fused`` or ``sequential``.
        trials: How many points, in place of the study's ``search.trials``.
        timeout: Seconds after which no new batch is begun.
        storage: The URL of an Optuna storage; default: a journal file in the study's folder.
        console: Where progress is shown; default: nowhere.

    Raises:
        SpecError: If the study is not valid, or has no search.
        StoreError: If the folder holds another study or another search, or cannot be written to.
        InputError: If an argument is not valid.
        SweepError: If Ray cannot be started or reached, or trials could not be run.
    """
    started = time.monotonic()
    spec = study if isinstance(study, StudySpec) else load_spec(study)
    _check_limits(trials, timeout)
    if storage is None and "://" in str(out):
        raise InputError(f"--storage: is required, because {out} is no folder of this machine")
    if spec.search is None:
        raise SpecError(f"{spec.name}: search: is required by `robustness search`, and is not in this study")
    places = workers or workplace(None, None, "auto")
    store, task = open_store(spec, out), spec.load_task()
    work = Work(spec, spec.search, task, _wanted(spec.search, trials))
    content = searched.identity(spec, spec.search, task)
    name = searched.check(store, content)
    place = open_url(storage) if storage else None
    console = console or Console(quiet=True)
    with store.driving():
        chosen = choose_engine(spec, spec.search, task, work.wanted, places.device, engine)
        store.write_study(spec.to_yaml())
        write_task(store, task, spec.budget)
        name = name or searched.begin(store, spec, content)
        points = Points(place or searched.open_own(store), name, spec.search)
        described = Plan(spec, task, (), (), chosen)
        with log_file(store), recorded(store, described, places), ExitStack() as stack:
            work.announce(console, chosen, store.location)
            line = stack.enter_context(work.line(console, store.trial_ids()))
            surfaces = Surfaces(spec, task, chosen, places, store, line, stack)
            return Exploration(work, points, surfaces).run(
                lambda: timeout is not None and time.monotonic() - started > timeout
            )


def _wanted(search: SearchSpec, trials: int | None) -> int:
    if trials is None:
        return search.wanted
    return min(trials, search.wanted) if search.sampler == "grid" else trials


def _check_limits(trials: int | None, timeout: float | None) -> None:
    if trials is not None and trials < 1:
        raise InputError(f"--trials: {trials}: must be at least 1")
    if timeout is not None and not timeout > 0:
        raise InputError(f"--timeout: {timeout:g}: must be above 0 seconds")
