"""Packs of trials, spread over workers by Ray Tune or run in this process, and their rows stored as they finish.

``sweep_into`` is what a run and a search call; ``sweep`` only hands on what is finished. Neither retries anything:
what becomes of the trials of lost workers is in ``turns``, and the same command, given again, runs what is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from studies.planning.plan import Plan
from studies.planning.workers import Workers
from studies.store.resume import ResumedStore
from studies.store.rows import Finished
from studies.sweep.checkpoints import Checkpoints
from studies.sweep.cluster import connected, lacking
from studies.sweep.first_trials import FirstTrials
from studies.sweep.runner import OnFinished, Runner

logger = logging.getLogger("studies")


class Progress(Protocol):
    """Something that is told of trials as they are stored."""

    def update(self, statuses: Iterable[str]) -> None:
        """Count finished trials by their status."""


def sweep_into(
    stored: ResumedStore,
    work: Plan,
    workers: Workers,
    progress: Progress,
    notice: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Run the packs of ``work``, and store rows, curves and second moments of trials as they finish.

    Where the first trials all fail for one reason, none of them is stored and the sweep stops (``first_trials``).

    Where the study asks for checkpoints, long trials are saved; a checkpoint is removed when its trials are stored,
    and what is left of them when all packs were run.

    Args:
        stored: Where rows go.
        work: What to run.
        workers: Where to run it.
        progress: What is told the status of each trial, once, after it was stored.
        notice: Called with each line that the user should see while the packs run.

    Returns:
        As ``sweep``.

    Raises:
        SweepError: As ``sweep``, if rows cannot be stored, or if the first trials all fail for one reason.
        KeyboardInterrupt: If the user interrupts; everything that was finished is stored.
    """
    saved = Checkpoints.of_study(work.spec, stored.store, work.task.code)

    def store(finished: Finished) -> None:
        if not finished.rows:
            return
        stored.append(finished)
        if saved is not None:
            saved.drop(finished.checkpoints)
        progress.update(row["status"] for row in finished.rows)
        for row in finished.rows:
            logger.info("%s %s lr=%g %s", row["trial_id"], row["label"], row["lr"], row["status"])

    first = FirstTrials(work.pending)
    try:
        problems = sweep(
            work, workers, lambda more: store(first.released(more)), checkpoints=saved, notice=notice
        )
    finally:
        store(first.rest())
    if saved is not None and not problems:
        saved.clear()
    return problems


def sweep(
    work: Plan,
    workers: Workers,
    on_finished: OnFinished,
    *,
    checkpoints: Checkpoints | None = None,
    notice: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Run the packs of ``work`` and hand on what is finished, as it is finished.

    Args:
        work: What to run.
        workers: Where to run it.
        on_finished: Called with what is finished, each trial once.
        checkpoints: Where long trials are saved; None means nowhere.
        notice: Called with each line that the user should see while the packs run.

    Returns:
        A line for each pack that could not be run, such as one that lost its node too often.

    Raises:
        SweepError: If Ray cannot be started or reached, or nodes have other versions than this process.
        KeyboardInterrupt: If the user interrupts, after what was finished is handed on.
    """
    if not work.packs:
        return []
    if workers.count == 0:
        runner = Runner(work.task, workers.device, work.engine, checkpoints)
        for pack in work.packs:
            for finished in runner.run(pack):
                on_finished(finished)
        return []
    with connected(workers):
        from studies.sweep.tune import run_turns

        missing = lacking(work.spec.resources.request(workers.device))
        if missing:
            notice(f"{missing}; waiting for one that has")
        return run_turns(work, workers.device, workers.count, on_finished, checkpoints)
