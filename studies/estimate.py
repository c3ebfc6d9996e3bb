"""What a study will take: time from a short trial of each optimizer, memory and disk from what was measured."""

from __future__ import annotations

import os
import resource
import sys
from collections import Counter
from dataclasses import dataclass, replace

from robustness.training import train
from studies.plan import Plan
from studies.sweep import Workers
from studies.worker import one_thread

RAY_START_SECONDS = 10.0
# rows and learning curves of the preset quickstart (1,458 trials of 20 epochs), 7.4 MB in all
BYTES_PER_ROW = 1500
BYTES_PER_CURVE_POINT = 30


@dataclass(frozen=True)
class Estimate:
    """What the trials that are not stored yet will take.

    Attributes:
        workers: Processes that train.
        seconds: Wall time.
        memory: Bytes, all processes together.
        disk: Bytes in the study's folder, figures left out.
    """

    workers: int
    seconds: float
    memory: int
    disk: int


def estimate(plan: Plan, workers: Workers) -> Estimate:
    """Train one epoch with each optimizer of the study, and extrapolate to the pending trials."""
    pending = [trial for pack in plan.packs for trial in pack.trials]
    seconds = 0.0
    with one_thread():
        for optimizer, count in Counter(trial.settings.optimizer for trial in pending).items():
            settings = next(t.settings for t in pending if t.settings.optimizer == optimizer)
            train(plan.task, replace(settings, epochs=1), device=workers.device)  # warms caches up
            once = train(plan.task, replace(settings, epochs=1), device=workers.device).wall_seconds
            seconds += count * once * settings.epochs
    processes = workers.count if workers.count is not None else os.cpu_count() or 1
    unit = 1 if sys.platform == "darwin" else 1024
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    points = sum(3 * (trial.settings.epochs + 1) for trial in pending)
    start = RAY_START_SECONDS if processes and pending else 0.0
    return Estimate(
        workers=processes,
        seconds=seconds / max(processes, 1) + start,
        memory=resident * (processes + 1),
        disk=len(pending) * BYTES_PER_ROW + points * BYTES_PER_CURVE_POINT,
    )
