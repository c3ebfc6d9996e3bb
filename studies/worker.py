"""What a worker does: train the trials of a pack and turn each into rows."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from robustness import __version__
from robustness.tasks import Task
from robustness.training import TrialResult, train
from studies.errors import InputError
from studies.plan import Pack
from studies.results import HYPERPARAMETERS
from studies.trials import Trial


@dataclass(frozen=True)
class Finished:
    """Finished trials: a row each, and the points of their curves."""

    rows: list[dict[str, Any]]
    curves: list[dict[str, Any]]


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


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread: workers share a machine's cores, and sums do not depend on their number."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _row(task: Task, trial: Trial, result: TrialResult, pack_id: str, device: str) -> dict[str, Any]:
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
        "engine": "sequential",
        "version": __version__,
    }


def _train_or_fail(task: Task, trial: Trial, device: str) -> TrialResult:
    """Train; an exception of the trial's own code is a result too, and stops no other trial."""
    started = time.perf_counter()
    try:
        return train(task, trial.settings, device=device)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({where.filename.rsplit('/', 1)[-1]}:{where.lineno})"
        return TrialResult("failed", reason=reason, wall_seconds=time.perf_counter() - started)


def run_pack(task: Task, pack: Pack, device: str, *, every_seconds: float = 2.0) -> Iterator[Finished]:
    """Train the trials of ``pack`` and yield what is finished, about ``every_seconds``."""
    with one_thread():
        finished, reported = Finished([], []), time.monotonic()
        for trial in pack.trials:
            result = _train_or_fail(task, trial, device)
            finished.rows.append(_row(task, trial, result, pack.pack_id, device))
            finished.curves.extend({"trial_id": trial.trial_id, **asdict(point)} for point in result.curves)
            if time.monotonic() - reported >= every_seconds:
                yield finished
                finished, reported = Finished([], []), time.monotonic()
        if finished.rows:
            yield finished
