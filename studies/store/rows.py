"""A trial's row: what was trained, how, where, and what came of it."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from robustness import __version__
from robustness.tasks import BaseTask
from robustness.training import TrialResult
from studies.planning.trials import Trial, schedule_text, setup
from studies.store.schema import final_over_initial, hyperparameter_columns


@dataclass(frozen=True)
class Finished:
    """Finished trials, on their way from a worker to the store.

    Attributes:
        rows: A row each, with the columns of ``ROW_SCHEMA``.
        curves: The points of their learning curves (``CURVE_SCHEMA``).
        diagnostics: Their second moments, where the study asks for them (``DIAGNOSTIC_SCHEMA``).
        checkpoints: Names of checkpoints that may go once the rows are stored.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    curves: list[dict[str, Any]] = field(default_factory=list)
    diagnostics: list[dict[str, Any]] = field(default_factory=list)
    checkpoints: list[str] = field(default_factory=list)

    def __add__(self, other: Finished) -> Finished:
        return Finished(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Finished)))


@dataclass(frozen=True)
class Trained:
    """Where and how a trial was trained: the row's columns of these names.

    Attributes:
        pack_id: The pack that it was part of.
        device: ``cpu`` or ``cuda``.
        engine: ``fused`` or ``sequential``.
        worker: Host and process; None if no worker lived to say so.
    """

    pack_id: str
    device: str
    engine: str
    worker: str | None


def trial_row(task: BaseTask, trial: Trial, result: TrialResult, trained: Trained) -> dict[str, Any]:
    """Return the row of a trial, with the columns of ``ROW_SCHEMA``; what was not measured is left out."""
    settings = trial.settings
    return {
        "trial_id": trial.trial_id,
        "study": trial.study,
        "task": task.name,
        "workload": trial.workload,
        "optimizer": settings.optimizer,
        "label": trial.label,
        "lr": settings.hyperparameters["lr"],
        "weight_decay": settings.hyperparameters["weight_decay"],
        "grad_scale": settings.grad_scale,
        "seed": settings.seed,
        "role": trial.role,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "schedule": schedule_text(settings.schedule),
        "setup": setup(trial.task, settings.training),
        "task_version": task.version,
        "task_code": task.code,
        **hyperparameter_columns(settings.hyperparameters),
        "status": result.status,
        "stopped_step": result.stopped_step,
        "reason": result.reason,
        "init_loss": result.init_loss,
        "final_over_initial": _ratio(result),
        "chance_accuracy": task.chance_accuracy,
        "metric": task.metric.name,
        "metric_unit": task.metric.unit,
        "metric_direction": task.metric.direction,
        "chance_metric": task.chance_metric,
        **result.metrics,
        "wall_seconds": result.wall_seconds,
        **asdict(trained),
        "version": __version__,
    }


def _ratio(result: TrialResult) -> float | None:
    """Return the column ``final_over_initial``."""
    last, first = result.metrics.get("train_loss"), result.init_loss
    ratio = float(
        final_over_initial(math.nan if last is None else last, math.nan if first is None else first)
    )
    return None if math.isnan(ratio) else ratio


def given_up(task: BaseTask, trial: Trial, pack_id: str, device: str, reason: str) -> Finished:
    """Return the row of a trial whose workers died over it."""
    result = TrialResult("failed", reason=reason)
    return Finished([trial_row(task, trial, result, Trained(pack_id, device, "sequential", worker=None))])
