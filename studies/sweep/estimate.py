"""What a study will take: time from a short pack, memory and disk from what was measured."""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from robustness.tasks import Task
from robustness.training import one_thread, sequential_seconds
from studies.planning.plan import Plan
from studies.planning.workers import Workers
from studies.sweep.runner import Runner

RAY_START_SECONDS = 10.0
# Ray's own processes: what quickstart held at its peak (3.5 GB with 2 workers), less its three Python processes
RAY_BYTES = 800_000_000
# from the rows and learning curves of the preset quickstart (1,458 trials of 20 epochs), 2.3 MB in all
BYTES_PER_ROW = 900
BYTES_PER_CURVE_POINT = 12


@dataclass(frozen=True)
class Cost:
    """What the trials that are not stored yet will take.

    Attributes:
        workers: How many processes train.
        seconds: Wall time; None where a training function trains, whose steps cannot be timed.
        memory: Bytes, of all processes together.
        disk: Bytes in the study's folder, figures left out.
        each: Seconds that each further trial adds, with all workers at work; None likewise.
        starting: How much of the wall time Ray takes to start.
    """

    workers: int
    seconds: float | None
    memory: int
    disk: int
    each: float | None
    starting: float = 0.0


@dataclass(frozen=True)
class Forecast:
    """What a study would train and what that would take.

    Attributes:
        plan: Its trials and packs, less what is stored.
        cost: What they would take.
        later: What is chosen after the grid, in words, by the key of the study file that asks for it.
        searched: How many trials ``robustness search`` would train, fresh seeds left out; None without a search.
        notes: How the study differs from what its folder holds, a line each.
    """

    plan: Plan
    cost: Cost
    later: Mapping[str, str]
    searched: int | None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class SuiteForecast:
    """What a suite would train and what that would take.

    Attributes:
        name: The suite's name.
        workloads: What each workload would train, by its name.
        cost: What all of them would take, one after the other.
        notes: How the suite differs from what its folder holds, a line each.
    """

    name: str
    workloads: Mapping[str, Forecast]
    cost: Cost
    notes: Sequence[str] = ()


def estimate(plan: Plan, workers: Workers) -> Cost:
    """Time a short training with the chosen engine, and extrapolate to the pending trials."""
    pending = [trial for pack in plan.packs for trial in pack.trials]
    processes = workers.count if workers.count is not None else os.cpu_count() or 1
    seconds = _trial_seconds(plan, workers.device)  # before memory is looked at: it trains
    unit = 1 if sys.platform == "darwin" else 1024
    shared = plan.task.mapped_bytes
    own = max(0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit - shared)
    points = sum(
        3 * (trial.settings.epochs // trial.settings.training.evaluate_every + 1) for trial in pending
    )
    each = None if seconds is None else seconds / max(processes, 1)
    start = RAY_START_SECONDS if processes and pending else 0.0
    return Cost(
        workers=processes,
        seconds=None if each is None else len(pending) * each + start,
        memory=own * (processes + 1) + shared + (RAY_BYTES if processes else 0),
        disk=len(pending) * BYTES_PER_ROW + points * BYTES_PER_CURVE_POINT,
        each=each,
        starting=start,
    )


def together(costs: Sequence[Cost]) -> Cost:
    """Return what studies take that run one after the other; Ray is started once for all of them."""
    seconds = [cost.seconds for cost in costs if cost.seconds is not None]
    each = [cost.each for cost in costs if cost.each is not None]
    starts = sum(cost.starting for cost in costs) - max(cost.starting for cost in costs)
    return Cost(
        workers=costs[0].workers,
        seconds=sum(seconds) - starts if len(seconds) == len(costs) else None,
        memory=max(cost.memory for cost in costs),
        disk=sum(cost.disk for cost in costs),
        each=max(each) if len(each) == len(costs) else None,
        starting=max(cost.starting for cost in costs),
    )


def _trial_seconds(plan: Plan, device: str) -> float | None:
    """Return the time that one trial of the largest pack takes, its evaluations included, if it can be known."""
    if not plan.packs:
        return 0.0
    if not isinstance(plan.task, Task):
        return None
    pack = max((pack.trials for pack in plan.packs), key=len)
    budget = plan.spec.budget
    with one_thread():
        if plan.engine.name == "sequential":
            step = sequential_seconds(plan.task, pack[0].settings, device)
            return step * plan.task.steps(budget.epochs, budget.batch_size)
        if plan.engine.step_seconds is not None and plan.engine.compile:  # a plan compiles nothing
            return plan.engine.step_seconds * plan.task.steps(budget.epochs, budget.batch_size)
        settings = [replace(trial.settings, epochs=1) for trial in pack]
        runner = Runner(plan.task, device, plan.engine)
        runner.train(settings)  # warms caches up
        started = time.perf_counter()
        runner.train(settings)
        return (time.perf_counter() - started) / len(settings) * budget.epochs
