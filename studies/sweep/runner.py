"""What a worker does: train the trials of a pack and turn each into rows."""

from __future__ import annotations

import logging
import os
import socket
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Protocol

import torch

from robustness import __version__
from robustness.tasks import Task
from robustness.training import (
    Checkpoint,
    Engine,
    PackTrainer,
    TrialResult,
    TrialSettings,
    blocks,
    keep_freed_memory,
    one_thread,
    train,
)
from studies.checkpoints import Checkpoints
from studies.errors import InputError
from studies.plan import Pack
from studies.schema import HYPERPARAMETERS
from studies.trials import Trial, setup

logger = logging.getLogger("studies")


@dataclass(frozen=True)
class Finished:
    """Finished trials.

    Attributes:
        rows: A row each.
        curves: The points of their curves.
        diagnostics: The second moments that were asked for.
        checkpoints: Names of checkpoints that are of no use any more once the rows are stored.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    diagnostics: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)

    def __add__(self, other: Finished) -> Finished:
        return Finished(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Finished)))


class Watch(Protocol):
    """Is told what is being trained."""

    def begin(self, trials: Sequence[Trial]) -> None:
        """Note that ``trials`` begin, together."""

    def end(self) -> None:
        """Note that what began has ended."""


class _Unwatched:
    def begin(self, trials: Sequence[Trial]) -> None:
        pass

    def end(self) -> None:
        pass


def resolve_device(device: str) -> str:
    """Return ``cpu`` or ``cuda``; ``auto`` is ``cuda`` where there is a GPU.

    Raises:
        InputError: If ``device`` is another, or ``cuda`` is asked for and there is none.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device: {device}: must be auto, cpu or cuda")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "--device: cuda: this machine has no GPU that torch can use; allowed here: auto, cpu"
        )
    return device


@dataclass(frozen=True)
class _Trained:
    """Where and how a trial was trained; the row's columns of these names."""

    pack_id: str
    device: str
    engine: str
    worker: str | None


def _row(task: Task, trial: Trial, result: TrialResult, trained: _Trained) -> dict[str, Any]:
    settings = trial.settings
    own = {name: settings.hyperparameters.get(name) for name in HYPERPARAMETERS}
    return {
        "trial_id": trial.trial_id,
        "study": trial.study,
        "task": task.name,
        "optimizer": settings.optimizer,
        "label": trial.label,
        "lr": settings.hyperparameters["lr"],
        "weight_decay": settings.hyperparameters["weight_decay"],
        "grad_scale": settings.grad_scale,
        "seed": settings.seed,
        "role": trial.role,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "schedule": settings.schedule.name,
        "setup": setup(trial.task, settings.training),
        "task_version": task.version,
        **own,
        "status": result.status,
        "stopped_step": result.stopped_step,
        "reason": result.reason,
        "init_loss": result.init_loss,
        "chance_accuracy": task.chance_accuracy,
        **result.metrics,
        "wall_seconds": result.wall_seconds,
        **asdict(trained),
        "version": __version__,
    }


def given_up(task: Task, trial: Trial, pack_id: str, device: str, reason: str) -> Finished:
    """Return the row of a trial whose workers died over it."""
    result = TrialResult("failed", reason=reason)
    return Finished([_row(task, trial, result, _Trained(pack_id, device, "sequential", worker=None))])


# Trials that finished together, and the engine that trained them.
Together = tuple[list[tuple[Trial, TrialResult]], str]


class Runner:
    """Trains packs of one study in this process; what is compiled for one pack serves the next.

    Args:
        task: What is trained.
        device: ``cpu`` or ``cuda``.
        engine: How to train.
        checkpoints: Where and how often long trials are saved; None: never.
    """

    def __init__(
        self, task: Task, device: str, engine: Engine, checkpoints: Checkpoints | None = None
    ) -> None:
        if device == "cpu":
            keep_freed_memory()
        self.task, self.device, self.checkpoints = task.to(device), device, checkpoints
        self.watch: Watch = _Unwatched()
        fused = engine.name == "fused"
        self.trainer = PackTrainer(self.task, device=device, compile=engine.compile) if fused else None

    def run(self, pack: Pack, *, every_seconds: float = 2.0) -> Iterator[Finished]:
        """Train the trials of ``pack`` and yield what is finished, about ``every_seconds``."""
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
        """Train the trials of ``pack`` and yield what is finished, at once.

        Args:
            pack: What to train.
            alone: Whether to train them one by one, whatever the engine.
            watch: Is told what is being trained.
        """
        self.watch = watch if watch is not None else _Unwatched()
        with one_thread():
            for together, engine in self._one_by_one(pack.trials) if alone else self._results(pack.trials):
                self.watch.end()
                yield self.finished(together, pack.pack_id, engine)

    def finished(self, together: Sequence[tuple[Trial, TrialResult]], pack_id: str, engine: str) -> Finished:
        """Return trials and their results as rows and curves."""
        done = Finished()
        trained = _Trained(pack_id, self.device, engine, f"{socket.gethostname()}:{os.getpid()}")
        for trial, result in together:
            done.rows.append(_row(self.task, trial, result, trained))
            done.curves.extend({"trial_id": trial.trial_id, **asdict(point)} for point in result.curves)
            done.diagnostics.extend({"trial_id": trial.trial_id, **asdict(s)} for s in result.diagnostics)
        if self.checkpoints is not None:
            done.checkpoints.append(self.checkpoints.name([trial for trial, _ in together]))
        return done

    def train(self, trials: Sequence[TrialSettings]) -> list[TrialResult]:
        """Train ``trials`` by the runner's engine; exceptions are the caller's."""
        if self.trainer is not None:
            return self.trainer.train(trials)
        return [train(self.task, settings, device=self.device) for settings in trials]

    def _results(self, trials: Sequence[Trial]) -> Iterator[Together]:
        if self.trainer is None:
            yield from self._one_by_one(trials)
            return
        for indices in blocks([trial.settings for trial in trials]):
            yield from self._together(self.trainer, [trials[index] for index in indices])

    def _together(self, trainer: PackTrainer, trials: Sequence[Trial]) -> Iterator[Together]:
        """Train a block; halve it where memory runs out, and go one by one where it cannot be trained so."""
        self.watch.begin(trials)
        try:
            results = trainer.train([trial.settings for trial in trials], self._checkpoint(trials))
        except Exception as error:  # one trial's own code may raise anything; its mates are to finish
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
        for trial in trials:
            self.watch.begin([trial])
            yield [(trial, self._train_or_fail(trial))], "sequential"

    def _train_or_fail(self, trial: Trial) -> TrialResult:
        """Train; an exception of the trial's own code is a result too, and stops no other trial."""
        started = time.perf_counter()
        try:
            return train(self.task, trial.settings, device=self.device, checkpoint=self._checkpoint([trial]))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
            return TrialResult("failed", reason=reason, wall_seconds=time.perf_counter() - started)

    def _checkpoint(self, trials: Sequence[Trial]) -> Checkpoint | None:
        return self.checkpoints.of(trials) if self.checkpoints is not None else None


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
