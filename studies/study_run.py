"""Running one study: plan it, sweep what is missing, store every row, report."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd
from rich.console import Console

from studies.planning.plan import Plan, following, likely_confirmation, of_stage, plan
from studies.planning.stages import rows_of, stages, to_measure
from studies.planning.trials import Trial
from studies.planning.workers import Workers
from studies.reports.loading import Foreseen
from studies.spec.study import StudySpec
from studies.store.provenance import recorded
from studies.store.resume import ResumedStore
from studies.store.run_log import log_file
from studies.store.store import Store
from studies.store.study_folder import failures
from studies.store.task_file import begin_study
from studies.sweep.admission import Admission, admit
from studies.sweep.ahead import compile_ahead
from studies.sweep.cluster import connected
from studies.sweep.sweep import sweep_into
from studies.terminal.progress import ProgressLine
from studies.terminal.text import engine_text, notices, say, tell

logger = logging.getLogger("studies")


@dataclass
class Outcome:
    """What a run of a study, or of a suite of workloads, left behind.

    Attributes:
        rows: All rows of the study; those of a suite are the rows of all of its workloads.
        summary: ``analysis.summary`` of them.
        failed: A line for each failed trial and each pack that could not be run.
        missing: Number of planned trials without a row.
        location: The study's folder.
        files: What was written beside the rows.
        notes: How the study changed and grew, a line each: rows hidden, grids extended, bounds reached.
        verdict: A sentence for each candidate that the study names.
        left_out: Lines that say which tables are left out, and why.
    """

    rows: pd.DataFrame
    summary: pd.DataFrame
    failed: list[str]
    missing: int
    location: str
    files: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    verdict: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Ready:
    """A study that was found fit to run in its folder; nothing of it is written yet.

    Attributes:
        work: Its plan.
        where: Where it is to run.
        stored: What its folder holds.
        admitted: What the folder is to remember, and what the user should know.
    """

    work: Plan
    where: Workers
    stored: ResumedStore
    admitted: Admission

    def begin(self) -> None:
        """Make the folder the study's: from here on it can be read.

        Raises:
            StoreError: If the folder cannot be written to.
            SweepError: If the disk is full.
        """
        begin_study(self.stored.store, self.work.spec, self.admitted.task)
        logger.info("graphs: %s", self.expected)

    @cached_property
    def expected(self) -> str | None:
        """When compiled packs are to be expected; what they need is compiled from the first question on."""
        work = self.work
        return compile_ahead(work.task, work.packs, work.engine, self.where, likely_confirmation(work))

    def run(self, console: Console) -> Outcome:
        """Sweep what is missing and report on all of it.

        Raises:
            SweepError: If Ray cannot be started or reached, or the disk is full.
        """
        work, store = self.work, self.stored.store
        with (
            log_file(store),
            recorded(store, work.spec, self.admitted.task, work.engine, self.where) as ending,
        ):
            tell(console, self.admitted.notes)
            outcome = _run_stages(work, self.where, self.stored, self.expected, console)
            if outcome.failed or outcome.missing:
                ending.outcome = f"{len(outcome.failed)} failed, {outcome.missing} not run"
                ending.exit_code = 1
        outcome.notes = [*self.admitted.notes, *outcome.notes]
        from studies.reports.verdict import verdict_lines

        outcome.verdict = verdict_lines(work.spec.verdict, outcome.rows)
        return outcome


def make_ready(
    spec: StudySpec, where: Workers, stored: ResumedStore, *, engine: str, accept_changed_code: bool
) -> Ready:
    """Plan a study, and check it against its task, its optimizers and its folder; nothing is written.

    Args:
        spec: The study, with its optimizers loaded.
        where: Where it is to run.
        stored: What its folder holds.
        engine: As for ``studies.run``.
        accept_changed_code: As for ``studies.run``.

    Raises:
        SpecError: If the study is not valid.
        StoreError: If the folder holds another study or rows of changed code.
        InputError: If ``engine`` is not valid.
    """
    work = plan(spec, stored.trial_ids(), device=where.device, engine=engine)
    admitted = admit(stored, work.spec, work.task, work.trials, accept_changed_code=accept_changed_code)
    return Ready(work, where, stored, admitted)


def _run_stages(
    work: Plan, workers: Workers, stored: ResumedStore, expected: str | None, console: Console
) -> Outcome:
    """Run the stages of a study one after the other; ``work`` is the plan of the first."""
    trials: list[Trial] = []
    problems: list[str] = []
    notes: list[str] = []
    with ExitStack() as lasting:
        if work.pending:
            say(console, f"engine: {engine_text(work.engine, expected)}")
        for stage in stages(work.spec, work.task, stored.rows, work.trials):
            own = of_stage(work, stage, stored.trial_ids())
            if own.pending and (work.spec.extend or work.spec.confirm):
                lasting.enter_context(connected(workers))  # for the stages after this one too
            tell(console, stage.notes)
            problems += _run_packs(own, stage.name, workers, stored, console)
            trials += stage.trials
            notes += stage.notes
        if work.spec.flatness == "selected":
            measured = following(work, to_measure(trials, stored.rows()))
            problems += _run_packs(measured, "flatness", workers, stored, console)
    return _conclude(trials, stored.store, problems, notes)


def _run_packs(work: Plan, stage: str, workers: Workers, stored: ResumedStore, console: Console) -> list[str]:
    """Sweep the packs of one stage's ``work`` into the store."""
    done = len(work.trials) - work.pending
    note = f", {done} of them stored already" if done else ""
    what = work.spec.title if stage == "grid" else stage
    goes = f"; rows go to {stored.store.location}" if stage == "grid" else ""
    if work.trials:
        say(console, f"{what}: {len(work.trials)} trials of {work.task.name}{note}{goes}")
    logger.info(
        "%s: start: %d trials, %d stored, %s, %s", stage, len(work.trials), done, workers, work.engine
    )

    started = time.monotonic()
    with ProgressLine(console, len(work.trials), done, stage) as line:
        progress = Foreseen(line, work.pending)
        problems = sweep_into(stored, work, workers, progress, notices(console))
    seconds = time.monotonic() - started
    if work.pending:
        say(console, f"{work.pending} trials in {seconds:.0f} s")
    logger.info("%s: end: %d trials in %.1f s", stage, work.pending, seconds)
    return problems


def _conclude(trials: Sequence[Trial], store: Store, problems: list[str], notes: list[str]) -> Outcome:
    from studies.reports.report import write_report

    rows = rows_of(trials, store.rows())
    written = write_report(rows, store.diagnostics(), store)
    missing = len(trials) - len(rows)
    return Outcome(
        rows,
        written.summary,
        problems + failures(rows),
        missing,
        store.location,
        written.files,
        notes,
        left_out=written.left_out,
    )
