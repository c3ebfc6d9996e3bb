"""Time of one training step: by hand, by this project, and against what the machine reaches in a matrix product."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from contenders import BATCH_SIZE, EPOCHS, stepper
from measure import interleaved
from torch.utils.flop_counter import FlopCounterMode

from robustness.optimizers import hyperparameters
from robustness.tasks import Task, load
from robustness.training import Schedule, TrialSettings, choose, keep_freed_memory
from robustness.training.packs.block import Block
from robustness.training.packs.trainer import PackTrainer
from robustness.training.trial import Trainer

PACKS = (16, 32, 64)
RESNET_BATCH = 128


def product_flops(task: Task) -> tuple[int, float]:
    """Return the operations in matrix products and convolutions of a training step, and its share of evaluations.

    ``2 m k n`` for a product of ``[m, k]`` and ``[k, n]``, forward and backward as torch computes them (no gradients
    of the inputs), as ``torch.utils.flop_counter`` counts them; evaluations are of all splits after each epoch.
    """
    model = task.model()
    with FlopCounterMode(display=False) as step:
        inputs, targets = task.train.inputs[:BATCH_SIZE], task.train.targets[:BATCH_SIZE]
        task.loss(model(inputs), targets).backward()
    with FlopCounterMode(display=False) as evaluation, torch.no_grad():
        model(inputs)
    examples = sum(len(split) for split in task.splits.values())
    each = evaluation.get_total_flops() / BATCH_SIZE
    return step.get_total_flops(), examples * each / task.steps_per_epoch(BATCH_SIZE)


def settings(trial: dict[str, Any], batch_size: int) -> TrialSettings:
    """Return a trial as this project has it."""
    values = {"lr": trial["lr"], "weight_decay": trial["weight_decay"], **hyperparameters("adamw")}
    common = {"epochs": EPOCHS, "batch_size": batch_size, "schedule": Schedule("cosine")}
    return TrialSettings("adamw", values, trial["grad_scale"], int(trial["seed"]), **common)


def share_of_peak(trials: list[dict[str, Any]], rounds: int) -> list[dict[str, Any]]:
    """Compare steps of digits-mlp, by hand and fused, with a product of 1024 cubed; one thread, float32.

    Args:
        trials: At least as many as the largest pack, of one seed.
        rounds: How often each is measured: ten times as often.
    """
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    task = load("digits-mlp")
    steps = task.steps_per_epoch(BATCH_SIZE)
    splits = task.train.inputs.split(BATCH_SIZE), task.train.targets.split(BATCH_SIZE)
    batches = list(zip(*splits, strict=True))[:steps]
    left, right = torch.randn(2, 1024, 1024)
    product = torch.empty(1024, 1024)
    step = stepper(task, trials[0], "cpu")[1]
    trainer = PackTrainer(task, compile=True)
    blocks = {size: Block(trainer, [settings(t, BATCH_SIZE) for t in trials[:size]]) for size in PACKS}

    def fused(block: Block) -> None:
        for batch, now in zip(batches, block.scalars(0), strict=True):
            block.train_step(*batch, True, now)

    cases = {"torch.mm 1024^3": lambda: torch.mm(left, right, out=product)}
    cases["one model by hand"] = lambda: [step(*batch, 1.0) for batch in batches]
    cases |= {f"fused, {size} models": lambda b=block: fused(b) for size, block in blocks.items()}
    counts = [1, *(steps * models for models in (1, *PACKS))]
    flops = [2 * 1024**3, *[product_flops(task)[0]] * (1 + len(PACKS))]
    seconds = [statistics.median(times) for times in interleaved(cases, 10 * rounds).values()]
    each = [took / count for took, count in zip(seconds, counts, strict=True)]
    speeds = [count / took / 1e9 for count, took in zip(flops, each, strict=True)]
    return [
        {"case": name, "ms": 1e3 * took, "GFLOP/s": speed, "share of mm": speed / speeds[0]}
        for name, took, speed in zip(cases, each, speeds, strict=True)
    ]


def resnet8(device: str, rounds: int, jax_python: str | None) -> list[dict[str, Any]]:
    """Compare a step of ResNet-8 by hand with the same by the engine that was chosen, and in JAX; one thread."""
    torch.set_num_threads(1)
    task = load("resnet8:task").to(device)
    trial = {"lr": 1e-3, "weight_decay": 1e-4, "grad_scale": 1.0, "seed": 0}
    wanted = settings(trial, RESNET_BATCH)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        started = time.perf_counter()
        engine = choose(task, [wanted], device)
        print(f"choosing took {time.perf_counter() - started:.1f} s: {engine}", file=sys.stderr)
    batch = task.train.inputs[:RESNET_BATCH], task.train.targets[:RESNET_BATCH]
    by_hand = stepper(task, trial, device)[1]
    cases: dict[str, Any] = {"by hand": lambda: by_hand(*batch, 1.0)}
    if engine.name == "sequential":
        trainer = Trainer(task, wanted, device, torch.float32)
        cases["chosen: sequential"] = lambda: trainer.train_step(*batch)
    else:
        block = Block(PackTrainer(task, device=device), [wanted] * engine.pack_size)
        now = block.scalars(0)[0]
        cases[f"chosen: fused, {engine.pack_size} models"] = lambda: block.train_step(*batch, True, now)
    models = dict(zip(cases, (1, engine.pack_size), strict=True))
    rows = [
        {"case": name, "ms": 1e3 * statistics.median(times) / models[name]}
        for name, times in interleaved(cases, 3 * rounds).items()
    ]
    # as `choose` measured them: a step with its share of the evaluations
    rows += [{"case": f"tried: {way}", "ms": 1e3 * took} for way, took in engine.measured.items()]
    if jax_python is not None and device == "cpu":
        command = [jax_python, Path(__file__).parent / "jax_resnet8.py", str(RESNET_BATCH), str(3 * rounds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows += [{"case": f"JAX, {way}", "ms": took} for way, took in json.loads(done.stdout).items()]
    return rows
