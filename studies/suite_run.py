"""Running a study or a suite: all workloads are checked, then each is run, then all are reported on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pandas as pd
from rich.console import Console

from studies.planning.workers import workplace
from studies.reports.suite import Suite
from studies.reports.workloads import check_distinct
from studies.spec.presets import load_spec
from studies.spec.study import StudySpec
from studies.spec.suites.suite import SuiteSpec
from studies.store.resume import ResumedStore
from studies.store.store import Store
from studies.store.suites.opening import hidden_workloads, open_stores
from studies.store.trackers import sending
from studies.study_run import Outcome, Ready, make_ready
from studies.sweep.cluster import connected
from studies.terminal.text import say


def run(
    study: StudySpec | SuiteSpec | str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    address: str | None = None,
    device: str = "auto",
    engine: str = "auto",
    retry: Sequence[str] = (),
    log: str | None = None,
    accept_changed_code: bool = False,
    console: Console | None = None,
) -> Outcome:
    """Run what is missing of a study and report on all of it.

    Of a suite, every workload is checked before the first one is trained. Each is run in a folder of its own, within
    the suite's, into which the report over all of them goes.

    Args:
        study: A spec of a study or suite, a preset's name or the path of a YAML file.
        out: The study's folder, a path or any ``pyarrow.fs`` address; default ``runs/<name>``.
        workers: Processes; 0 trains in this one without Ray; default one per CPU core, or per GPU.
        address: A Ray cluster's address; default: Ray is started on this machine.
        device: ``auto``, ``cpu`` or ``cuda``.
        engine: ``auto`` (the faster one, by a short measurement), ``fused`` or ``sequential``.
        retry: Among ``failed`` and ``diverged``: stored trials of these statuses are trained once more.
        log: Where the rows of trials go too: ``tensorboard``, ``mlflow`` or ``wandb``, if installed.
        accept_changed_code: Whether stored rows that other code of a task of your own has trained are kept as one
            with the new ones.
        console: Where progress is shown; default: nowhere.

    Raises:
        SpecError: If the study is not valid.
        StoreError: If the folder holds another study or rows of changed code, cannot be written to, or another
            driver is at work there.
        InputError: If ``workers``, ``address``, ``device``, ``engine``, ``retry`` or ``log`` is not valid.
        SweepError: If Ray cannot be started or reached, or the disk is full.
    """
    spec = study if isinstance(study, StudySpec | SuiteSpec) else load_spec(study)
    spec, console = spec.load_optimizers(), console or Console(quiet=True)
    parts = spec.studies if isinstance(spec, SuiteSpec) else (spec,)
    places = [workplace(workers, address, device, part.budget.time_limit) for part in parts]
    store, stores = open_stores(spec, out)
    with ExitStack() as driven:
        for one in dict.fromkeys((store, *stores)):
            driven.enter_context(one.driving())
        readied = []
        for part, where, own in zip(parts, places, stores, strict=True):
            send = driven.enter_context(sending(log, spec.name, own.location))
            stored = ResumedStore(own, retry, part.flatness, send)
            readied.append(
                make_ready(part, where, stored, engine=engine, accept_changed_code=accept_changed_code)
            )
        check_distinct((ready.work.spec, ready.work.task) for ready in readied)
        for ready in readied:
            ready.begin()
        if isinstance(spec, StudySpec):
            return readied[0].run(console)
        return _run_suite(spec, store, readied, console)


def _run_suite(suite: SuiteSpec, store: Store, readied: Sequence[Ready], console: Console) -> Outcome:
    """Run the workloads of a suite one after the other; report on all of them."""
    gone = hidden_workloads(suite, store)
    store.write_study(suite.to_yaml())  # last: what names the workloads' folders is there once they are
    for line in gone:
        say(console, line)
    outcomes: dict[str, Outcome] = {}
    with ExitStack() as lasting:
        for name, ready in zip(suite.workloads, readied, strict=True):
            if ready.work.pending:
                lasting.enter_context(connected(ready.where))  # one Ray for this workload and those after it
            outcomes[name] = ready.run(console)
    from studies.reports.report import write_report  # matplotlib and scipy take seconds
    from studies.reports.verdict import verdict_lines

    missing = sum(outcome.missing for outcome in outcomes.values())
    failed = [f"{name}: {line}" for name, outcome in outcomes.items() for line in outcome.failed]
    notes = [f"{name}: {note}" for name, outcome in outcomes.items() for note in outcome.notes]
    together = Suite.open([one.location for one in outcomes.values() if len(one.rows)], store.location)
    named = together.rows if together.studies else readied[0].stored.rows()[:0]
    written = write_report(named, together.diagnostics(), store)
    return Outcome(
        pd.concat([outcome.rows for outcome in outcomes.values()], ignore_index=True),
        written.summary,
        failed,
        missing,
        store.location,
        written.files,
        [*gone, *notes],
        verdict_lines(suite.verdict, named),
        written.left_out,
    )
