"""Running a study: plan it, sweep what is missing, store every row, report."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from rich.console import Console

from studies.errors import InputError, StoreError
from studies.measures import done, to_measure
from studies.plan import Plan, following, plan
from studies.progress import ProgressLine
from studies.report import write_report
from studies.results import Store
from studies.screen import engine_text
from studies.spec import StudySpec, load_spec, study_name
from studies.sweep import Workers, sweep
from studies.worker import Finished, resolve_device

logger = logging.getLogger("studies")


@dataclass
class Outcome:
    """What a run of a study left behind.

    Attributes:
        rows: All rows of the study.
        summary: ``analysis.summary`` of them.
        failed: A line for each failed trial and each pack that could not be run.
        missing: Number of planned trials without a row.
        location: The study's folder.
        files: What was written beside the rows.
    """

    rows: pd.DataFrame
    summary: pd.DataFrame
    failed: list[str]
    missing: int
    location: str
    files: list[str] = field(default_factory=list)


def open_store(spec: StudySpec, out: str | Path | None) -> Store:
    """Return the store of a study (default ``runs/<name>``), which must be new or hold this very study.

    Raises:
        StoreError: If the folder holds another study or something else.
    """
    store = Store(out if out is not None else Path("runs") / spec.name)
    text = store.read_study()
    if text is not None and (name := study_name(text)) != spec.name:
        raise StoreError(
            f"{store.location}: name: holds the study {name!r}, not {spec.name!r}: give another folder with --out"
        )
    return store


def run(
    study: StudySpec | str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = None,
    address: str | None = None,
    device: str = "auto",
    engine: str = "auto",
    console: Console | None = None,
) -> Outcome:
    """Run what is missing of a study and report on all of it.

    Args:
        study: A spec, a preset's name or the path of a YAML file.
        out: The study's folder, a path or any ``pyarrow.fs`` address; default ``runs/<name>``.
        workers: Processes; 0 trains in this one without Ray; default one per CPU core, or per GPU.
        address: A Ray cluster's address; default: Ray is started on this machine.
        device: ``auto``, ``cpu`` or ``cuda``.
        engine: ``auto`` (the faster one, by a short measurement), ``fused`` or ``sequential``.
        console: Where progress is shown; default: nowhere.

    Raises:
        SpecError: If the study is not valid.
        StoreError: If the folder holds another study, cannot be written to, or another driver is at work there.
        InputError: If ``workers``, ``address``, ``device`` or ``engine`` is not valid.
        SweepError: If Ray cannot be started or reached, or the disk is full.
    """
    spec = study if isinstance(study, StudySpec) else load_spec(study)
    places = workplace(workers, address, device)
    store = open_store(spec, out)
    with store.driving():
        work = plan(spec, done(store, spec), device=places.device, engine=engine)
        store.write_study(spec.to_yaml())
        with _log_file(store):
            problems = _run_packs(work, places, store, console or Console(quiet=True))
            if spec.flatness == "selected":
                again = following(work, to_measure(work.trials, store.rows()))
                problems += _run_packs(again, places, store, console or Console(quiet=True), "flatness")
        return _conclude(work, store, problems)


def workplace(workers: int | None, address: str | None, device: str) -> Workers:
    """Check where a study is to run.

    Raises:
        InputError: If a value is not valid, or they do not go together.
    """
    if workers is not None and workers < 0:
        raise InputError(f"--workers: {workers}: must be 0 (in this process, without Ray) or more")
    if workers == 0 and address is not None:
        raise InputError("--workers: 0: runs without Ray, so it cannot go with --address")
    return Workers(workers, address, resolve_device(device))


def _run_packs(
    work: Plan, workers: Workers, store: Store, console: Console, stage: str = "grid"
) -> list[str]:
    """Sweep the packs of ``work`` into ``store``."""
    stored = len(work.trials) - work.pending
    note = f", {stored} of them stored already" if stored else ""
    what = work.spec.name if stage == "grid" else stage
    console.print(
        f"{what}: {len(work.trials)} trials of {work.task.name}{note}; rows go to {store.location}",
        highlight=False,
        soft_wrap=True,
    )
    if work.pending:
        console.print(f"engine: {engine_text(work)}", highlight=False, soft_wrap=True)
    logger.info("start: %d trials, %d stored, %s, %s", len(work.trials), stored, workers, work.engine)
    started = time.monotonic()
    with ProgressLine(console, len(work.trials), stored) as line:

        def on_finished(finished: Finished) -> None:
            store.append(finished.rows, finished.curves, finished.diagnostics)
            line.update(row["status"] for row in finished.rows)
            for row in finished.rows:
                logger.info("%s %s lr=%g %s", row["trial_id"], row["label"], row["lr"], row["status"])

        problems = sweep(work, workers, on_finished)
    seconds = time.monotonic() - started
    if work.pending:
        console.print(f"{work.pending} trials in {seconds:.0f} s", highlight=False)
    logger.info("end: %d trials in %.1f s", work.pending, seconds)
    return problems


def _conclude(work: Plan, store: Store, problems: list[str]) -> Outcome:
    planned = {trial.trial_id for trial in work.trials}
    rows = store.rows()
    rows = rows[rows["trial_id"].isin(planned)].reset_index(drop=True)
    broken = rows[rows["status"] == "failed"]
    failed = [
        f"{row.trial_id} {row.label} lr={row.lr:g} seed={row.seed}: {row.reason}"
        for row in broken.itertuples(index=False)
    ]
    summary, files = write_report(rows, store)
    return Outcome(rows, summary, problems + failed, len(planned) - len(rows), store.location, files)


@contextmanager
def _log_file(store: Store) -> Iterator[None]:
    """Log to ``run.log`` in the study's folder; where that is not a local folder, beside other temporary files."""
    local = "://" not in store.location
    path = Path(store.root if local else tempfile.gettempdir()) / "run.log"
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
