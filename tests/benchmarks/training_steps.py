"""Time of one training step of ResNet-8, and the operations that the products of a task's step take."""

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
from robustness.training import Schedule, TrialSettings, choose
from robustness.training.packs.block import Block
from robustness.training.packs.context import PackContext
from robustness.training.trial import Trainer

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
        block = Block(PackContext(task, device=device), [wanted] * engine.pack_size)
        now = block.scalars(0)[0]
        cases[f"chosen: fused, {engine.pack_size} models"] = lambda: block.train_step(*batch, now)
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
