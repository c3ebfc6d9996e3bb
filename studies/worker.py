"""What a worker does: train the trials of a pack and turn each into rows."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from robustness import __version__
from robustness.tasks import Task
from robustness.training import (
    Engine,
    PackTrainer,
    TrialResult,
    TrialSettings,
    blocks,
    keep_freed_memory,
    one_thread,
    train,
)
from studies.errors import InputError
from studies.plan import Pack
from studies.results import HYPERPARAMETERS
from studies.trials import Trial

logger = logging.getLogger("studies")


@dataclass(frozen=True)
class Finished:
    """Finished trials: a row each, the points of their curves, and the second moments that were asked for."""

    rows: list[dict[str, Any]]
    curves: list[dict[str, Any]]
    diagnostics: list[dict[str, Any]] = field(default_factory=list)


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


def _row(
    task: Task, trial: Trial, result: TrialResult, pack_id: str, device: str, engine: str
) -> dict[str, Any]:
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
        **own,
        "status": result.status,
        "stopped_step": result.stopped_step,
        "reason": result.reason,
        "init_loss": result.init_loss,
        "chance_accuracy": task.chance_accuracy,
        **result.metrics,
        "wall_seconds": result.wall_seconds,
        "device": device,
        "pack_id": pack_id,
        "engine": engine,
        "version": __version__,
    }


# Trials that finished together, and the engine that trained them.
Together = tuple[list[tuple[Trial, TrialResult]], str]


class Runner:
    """Trains packs of one study in this process; what is compiled for one pack serves the next.

    Args:
        task: What is trained.
        device: ``cpu`` or ``cuda``.
        engine: How to train.
    """

    def __init__(self, task: Task, device: str, engine: Engine) -> None:
        if device == "cpu":
            keep_freed_memory()
        self.task, self.device = task, device
        fused = engine.name == "fused"
        self.trainer = PackTrainer(task, device=device, compile=engine.compile) if fused else None

    def run(self, pack: Pack, *, every_seconds: float = 2.0) -> Iterator[Finished]:
        """Train the trials of ``pack`` and yield what is finished, about ``every_seconds``."""
        with one_thread():
            finished, reported = Finished([], []), time.monotonic()
            for together, engine in self._results(pack.trials):
                for trial, result in together:
                    finished.rows.append(_row(self.task, trial, result, pack.pack_id, self.device, engine))
                    curve = ({"trial_id": trial.trial_id, **asdict(point)} for point in result.curves)
                    finished.curves.extend(curve)
                    spreads = ({"trial_id": trial.trial_id, **asdict(s)} for s in result.diagnostics)
                    finished.diagnostics.extend(spreads)
                if time.monotonic() - reported >= every_seconds:
                    yield finished
                    finished, reported = Finished([], []), time.monotonic()
            if finished.rows:
                yield finished

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
        try:
            results = trainer.train([trial.settings for trial in trials])
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
            yield [(trial, self._train_or_fail(trial))], "sequential"

    def _train_or_fail(self, trial: Trial) -> TrialResult:
        """Train; an exception of the trial's own code is a result too, and stops no other trial."""
        started = time.perf_counter()
        try:
            return train(self.task, trial.settings, device=self.device)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
            return TrialResult("failed", reason=reason, wall_seconds=time.perf_counter() - started)


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
