"""A training step of one model with its share of the evaluations, once running: by hand, by this project, by JAX."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from contenders import BATCH_SIZE, epochs
from jax_choice import rate
from training_steps import product_flops, settings
from workloads import options_of

from robustness.tasks import Task, load
from robustness.training import PackTrainer, keep_freed_memory

PACKS, CHUNKS = (16, 64), (2, 16)  # models at once
PRODUCT = "torch.mm 1024^3"
FEW, MANY = 1, 4  # epochs: what MANY take longer than FEW is once running


def by_hand(task: Task, trial: dict[str, Any]) -> float:
    """Return the seconds of an epoch of one model, its evaluations included."""
    curve = epochs(task, trial, "cpu")
    next(curve)
    next(curve)
    started = time.perf_counter()
    for _ in range(FEW, MANY):
        next(curve)
    return (time.perf_counter() - started) / (MANY - FEW)


def packed(trainer: PackTrainer, trials: list[dict[str, Any]]) -> float:
    """Return a model's share of the seconds of an epoch of a pack, evaluations included."""
    seconds = []
    for count in (FEW, MANY):
        wanted = [replace(settings(trial, BATCH_SIZE), epochs=count) for trial in trials]
        started = time.perf_counter()
        trainer.train(wanted)
        seconds.append(time.perf_counter() - started)
    return (seconds[1] - seconds[0]) / (MANY - FEW) / len(trials)


def in_jax(task: str, python: str, trials: list[dict[str, Any]], chunk: int) -> float:
    """Return a model's share of the seconds of an epoch of a chunk in JAX, evaluations included."""
    way = {"chunk": chunk, "processes": 1}
    few, many = (1 / rate(task, python, trials, way, count, 1) for count in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def product() -> float:
    """Return the seconds of a product of 1024 cubed."""
    left, right = torch.randn(2, 1024, 1024)
    out = torch.empty(1024, 1024)
    times = []
    for _ in range(10):
        started = time.perf_counter()
        torch.mm(left, right, out=out)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def once_running(
    name: str, trials: list[dict[str, Any]], rounds: int, jax_python: str | None
) -> list[dict[str, Any]]:
    """Return a row for each way to train: ms a step of a model, and the share of the peak of torch.mm.

    Args:
        name: A task's.
        trials: At least as many as the largest pack, of one seed.
        rounds: Each is measured three times as often, in turns; medians are returned.
        jax_python: The interpreter of an environment with JAX; None leaves JAX out.
    """
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    with tempfile.TemporaryDirectory() as folder:
        task = load(name, **options_of(name, Path(folder)))
    steps = task.steps_per_epoch(BATCH_SIZE)
    trainer = PackTrainer(task, compile=True)
    cases: dict[str, Callable[[], float]] = {PRODUCT: product}
    cases["one model by hand"] = partial(by_hand, task, trials[0])
    cases |= {f"this project, {size} models": partial(packed, trainer, trials[:size]) for size in PACKS}
    if jax_python is not None:
        cases |= {
            f"JAX, {chunk} models": partial(in_jax, name, jax_python, trials, chunk) for chunk in CHUNKS
        }
    seconds: dict[str, list[float]] = {case: [] for case in cases}
    for number in range(-1, 3 * rounds):  # the first compiles, and does not count
        for case, measure in cases.items():
            took = measure() / (1 if case == PRODUCT else steps)
            print(f"{case}: {1e3 * took:.4g} ms", file=sys.stderr)
            if number >= 0:
                seconds[case].append(took)
    flops = sum(product_flops(task))
    found = {case: statistics.median(times) for case, times in seconds.items()}
    speeds = {case: (flops if case != PRODUCT else 2 * 1024**3) / t for case, t in found.items()}
    return [
        {
            "case": case,
            "ms": 1e3 * t,
            "GFLOP/s": speeds[case] / 1e9,
            "share of mm": speeds[case] / speeds[PRODUCT],
        }
        for case, t in found.items()
    ]
