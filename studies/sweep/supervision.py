"""What a worker process does with a pack under Ray: train it in a thread of its own, watch time and memory, report.

Training runs beside the watching, so that finished rows leave the worker every few seconds however long the next
trial takes, and so that a trial that hangs is noticed. What hangs cannot be stopped from within: the worker reports
it and ends itself, and Ray gives what is left of the pack to another.

What this covers: a trial that breaks the study's time or memory limit is ``failed``, whatever its code does; trials
that train together are halved until the one to blame is found; a trial is blamed for memory only in a fresh process.
Where a trial holds Python's lock, so that not even the watching thread runs, the process is ended from outside of
Python ``LOCKED_SECONDS`` after the time limit, and counts as a worker that died. What it does not: memory that runs
out between two looks (the system or Ray then kills the process), memory on a GPU, and training in the driver's own
process (``--workers 0``), where nothing can be stopped. What becomes of the rest of a pack is in ``turns``, what a
trial's exceptions become is in ``runner``.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import resource
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustness.training import TrialResult
from studies.planning.plan import Pack
from studies.planning.trials import Trial
from studies.store.rows import Finished
from studies.sweep.runner import Runner
from studies.sweep.turns import Loss

REPORT_SECONDS = 2.0
"""How often finished rows leave the worker, at most."""
LOOK_SECONDS = 0.2
"""How often time and memory are looked at."""
LOCKED_SECONDS = 30.0
"""How long after its time limit a trial that holds Python's lock is ended from outside of Python."""


@dataclass(frozen=True)
class Limits:
    """What a trial may take.

    Attributes:
        seconds: Wall time of one trial; trials that train together share the sum of theirs.
        memory: Resident bytes of the worker.
    """

    seconds: float | None = None
    memory: float | None = None


@dataclass(frozen=True)
class WorkerReport:
    """What a worker sends to the driver.

    Attributes:
        finished: Trials that finished since its last report.
        end: Why it ends itself after this report; None if it goes on.
    """

    finished: Finished
    end: Loss | None = None


class _Watch:
    """What is being trained, and since when; written by the training thread, read by the watching one."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.now: tuple[Sequence[Trial], float] | None = None
        self.begun = 0

    def begin(self, trials: Sequence[Trial]) -> None:
        self.begun += 1
        self.now = trials, time.monotonic()
        if self.limits.seconds is not None:
            seconds = len(trials) * self.limits.seconds + LOCKED_SECONDS
            faulthandler.dump_traceback_later(seconds, exit=True)

    def end(self) -> None:
        self.now = None
        faulthandler.cancel_dump_traceback_later()

    def broken(self, first_pack: bool) -> tuple[str, Loss, Sequence[Trial], float] | None:
        """Return the limit that is broken, how the worker is to end, the trials that broke it, and their time."""
        now = self.now
        if now is None:
            return None
        trials, since = now
        seconds, held = time.monotonic() - since, resident_bytes()
        kind = "split" if len(trials) > 1 else "retired"
        if self.limits.seconds is not None and seconds > self.limits.seconds * len(trials):
            reason = f"time limit: not finished after {self.limits.seconds:g} s"
            return reason, Loss(reason, kind), trials, seconds
        if self.limits.memory is not None and held > self.limits.memory:
            reason = f"memory: its worker held {held / 1e9:.2f} GB of the {self.limits.memory / 1e9:.2f} GB allowed"
            if first_pack and self.begun == 1:
                return reason, Loss(reason, kind), trials, seconds
            # what earlier trials left behind may be to blame: these get a fresh worker
            return reason, Loss(reason, "retired"), (), seconds
        return None


def resident_bytes() -> int:
    """Return the resident memory of this process: what it holds now on Linux, the most it has held elsewhere."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return pages * os.sysconf("SC_PAGE_SIZE")


def supervised(
    runner: Runner, pack: Pack, limits: Limits, *, alone: bool, first: bool
) -> Iterator[WorkerReport]:
    """Train the trials of ``pack`` and yield reports; after one with an ``end`` the process is to exit.

    Args:
        runner: This worker's.
        pack: What to train.
        limits: What a trial may take.
        alone: Whether to train the trials one by one, whatever the engine.
        first: Whether nothing was trained in this process before, so that what it holds is this pack's.
    """
    watch, done = _Watch(limits), queue.SimpleQueue[Finished | BaseException | None]()
    threading.Thread(target=_train, args=(runner, pack, alone, watch, done), daemon=True).start()
    finished, reported = Finished(), time.monotonic()
    while True:
        try:
            item = done.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            item = Finished()
            broken = watch.broken(first)
            if broken is not None:
                yield _last(runner, pack, finished, *broken)
                return
        if isinstance(item, BaseException):
            raise item
        if item is None:
            break
        finished += item
        if finished.rows and time.monotonic() - reported >= REPORT_SECONDS:
            yield WorkerReport(finished)
            finished, reported = Finished(), time.monotonic()
    if finished.rows:
        yield WorkerReport(finished)


def _train(
    runner: Runner,
    pack: Pack,
    alone: bool,
    watch: _Watch,
    done: queue.SimpleQueue[Finished | BaseException | None],
) -> None:
    try:
        for finished in runner.each(pack, alone=alone, watch=watch):
            done.put(finished)
    except BaseException as error:
        done.put(error)
    done.put(None)


def _last(
    runner: Runner,
    pack: Pack,
    finished: Finished,
    reason: str,
    end: Loss,
    trials: Sequence[Trial],
    seconds: float,
) -> WorkerReport:
    """Return the last report of a worker; a single trial that broke a limit is in it, as failed."""
    if len(trials) == 1:
        result = TrialResult("failed", reason=reason, wall_seconds=seconds)
        finished += runner.finished([(trials[0], result)], pack.pack_id, "sequential")
    return WorkerReport(finished, end)
