"""What a worker does: train the trials of a pack and turn each into rows.

What this covers: every trial of a pack gets a row. Divergence is a result; an exception of a trial's own code makes
that trial ``failed`` and no other; a block that does not fit into memory is halved, and one that cannot be trained
together is trained one by one. What it does not: a trial that hangs, eats the machine's memory or ends the process,
which only something outside of the training thread can stop (``supervision``), and a process that is gone, whose
trials run again elsewhere (``turns``). How trials are trained is in ``robustness.training``.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Protocol

import torch

from robustness.optimizers import rule_of
from robustness.tasks import BaseTask, Task, TrainingFunction
from robustness.tasks.splits.reading import DIED, worker_died
from robustness.training import (
    Checkpoint,
    Engine,
    PackTrainer,
    TrialResult,
    TrialSettings,
    keep_freed_memory,
    one_thread,
    train,
    train_function,
    warm_up,
)
from robustness.user_code.errors import place_of, shown_place
from studies.planning.plan import Pack
from studies.planning.trials import Trial
from studies.store.rows import Finished, Trained, trial_row
from studies.sweep.checkpoints import Checkpoints

logger = logging.getLogger("studies")

# What a dataset raised in a worker process of a DataLoader: the last place of its traceback, and what it says.
_CAUGHT = re.compile(
    r'in DataLoader worker process.*File "([^"]+)", line (\d+)[^\n]*\n.*?^(\S.*)', re.DOTALL | re.MULTILINE
)


class Watch(Protocol):
    """Something that is told what is being trained."""

    def begin(self, trials: Sequence[Trial]) -> None:
        """Note that ``trials`` begin, together."""

    def end(self) -> None:
        """Note that what began has ended."""


class _Unwatched:
    def begin(self, trials: Sequence[Trial]) -> None:
        pass

    def end(self) -> None:
        pass


OnFinished = Callable[[Finished], None]
"""Is given what is finished, each trial once."""

Together = tuple[list[tuple[Trial, TrialResult]], str]
"""Trials that finished together with their results, and the engine that trained them."""


class Runner:
    """Trains packs of one study in this process; what is compiled for one pack serves the next.

    Args:
        task: What is trained.
        device: ``cpu`` or ``cuda``.
        engine: How to train.
        checkpoints: Where and how often long trials are saved; None means never.
    """

    def __init__(
        self, task: BaseTask, device: str, engine: Engine, checkpoints: Checkpoints | None = None
    ) -> None:
        if device == "cpu":
            keep_freed_memory()
        self.task, self.device, self.checkpoints = task.to(device), device, checkpoints
        self.watch: Watch = _Unwatched()
        self.trainer: PackTrainer | None = None
        if engine.name == "fused":
            assert isinstance(self.task, Task)  # or the engine would be another
            self.trainer = PackTrainer(self.task, device=device, compile=engine.compile)

    def run(self, pack: Pack, *, every_seconds: float = 2.0) -> Iterator[Finished]:
        """Train the trials of ``pack`` and yield what is finished, about every ``every_seconds``.

        Raises:
            KeyboardInterrupt: If the user interrupts, after what is finished was yielded.
        """
        finished, reported = Finished(), time.monotonic()
        try:
            for more in self.each(pack):
                finished += more
                if time.monotonic() - reported >= every_seconds:
                    yield finished
                    finished, reported = Finished(), time.monotonic()
        except KeyboardInterrupt:
            yield finished
            raise
        if finished.rows:
            yield finished

    def each(self, pack: Pack, *, alone: bool = False, watch: Watch | None = None) -> Iterator[Finished]:
        """Train the trials of ``pack`` and yield each as soon as it is finished.

        Args:
            pack: What to train.
            alone: Whether to train its trials one by one, whatever the engine.
            watch: What is told of the training.
        """
        self.watch = watch if watch is not None else _Unwatched()
        with one_thread():
            for together, engine in self._one_by_one(pack.trials) if alone else self._results(pack.trials):
                self.watch.end()
                yield self.finished(together, pack.pack_id, engine)

    def finished(self, together: Sequence[tuple[Trial, TrialResult]], pack_id: str, engine: str) -> Finished:
        """Return trials and their results as rows, curves and second moments."""
        done = Finished()
        trained = Trained(pack_id, self.device, engine, f"{socket.gethostname()}:{os.getpid()}")
        for trial, result in together:
            done.rows.append(trial_row(self.task, trial, result, trained))
            done.curves.extend({"trial_id": trial.trial_id, **asdict(point)} for point in result.curves)
            done.diagnostics.extend({"trial_id": trial.trial_id, **asdict(s)} for s in result.diagnostics)
        if self.checkpoints is not None:
            done.checkpoints.append(self.checkpoints.name([trial for trial, _ in together]))
        return done

    def train(self, trials: Sequence[TrialSettings]) -> list[TrialResult]:
        """Train ``trials`` with the runner's engine, if they have rules; what their code raises is raised here."""
        if self.trainer is not None and all(rule_of(settings.optimizer) for settings in trials):
            return self.trainer.train(trials)
        return [self._alone(settings, None) for settings in trials]

    def _results(self, trials: Sequence[Trial]) -> Iterator[Together]:
        if self.trainer is None:
            yield from self._one_by_one(trials)
            return
        for indices in self.trainer.blocks([trial.settings for trial in trials]):
            yield from self._together(self.trainer, [trials[index] for index in indices])

    def _together(self, trainer: PackTrainer, trials: Sequence[Trial]) -> Iterator[Together]:
        """Train a block together; halve it if memory runs out, go one by one if it cannot be trained together."""
        settings = [trial.settings for trial in trials]
        try:
            trainer.prepare(settings)  # compiling counts for none of the trials
            self.watch.begin(trials)
            results = trainer.train(settings, self._checkpoint(trials))
        except Exception as error:  # one trial's own code may raise anything; the others are to finish
            if _out_of_memory(error) and len(trials) > 1:
                half = len(trials) // 2
                logger.warning("out of memory with %d trials at once: going on with %d", len(trials), half)
                yield from self._together(trainer, trials[:half])
                yield from self._together(trainer, trials[half:])
                return
            logger.warning("trained one by one: %s: %s", type(error).__name__, error)
            yield from self._one_by_one(trials)
            return
        yield list(zip(trials, results, strict=True)), "fused"

    def _one_by_one(self, trials: Sequence[Trial]) -> Iterator[Together]:
        warm_up()
        for trial in trials:
            self.watch.begin([trial])
            yield [(trial, self._train_or_fail(trial))], "sequential"

    def _train_or_fail(self, trial: Trial) -> TrialResult:
        """Train; an exception of the trial's own code is a result too, and stops no other trial."""
        started = time.perf_counter()
        try:
            return self._alone(trial.settings, self._checkpoint([trial]))
        except Exception as error:
            return TrialResult("failed", reason=_told(error), wall_seconds=time.perf_counter() - started)

    def _alone(self, settings: TrialSettings, checkpoint: Checkpoint | None) -> TrialResult:
        if isinstance(self.task, Task):
            return train(self.task, settings, device=self.device, checkpoint=checkpoint)
        assert isinstance(self.task, TrainingFunction)
        return train_function(self.task, settings, device=self.device, checkpoint=checkpoint)

    def _checkpoint(self, trials: Sequence[Trial]) -> Checkpoint | None:
        return self.checkpoints.of(trials) if self.checkpoints is not None else None


def _told(error: Exception) -> str:
    """Return what an exception says, its kind, and its place."""
    if worker_died(error):  # torch says so in words that depend on the moment
        return DIED
    place, text = place_of(error), f"{type(error).__name__}: {error}"
    if caught := _CAUGHT.search(text):  # torch gives the traceback as text
        file, line, text = caught.groups()
        place = shown_place(file, line)
    return f"{text.strip()} ({place})"


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
