"""The benchmark's JAX contender trains what a loop of torch trains, from the same weights on the same batches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from robustness.tasks import load

HERE = Path(__file__).parent
PYTHON = os.environ.get("BENCHMARKS_JAX_PYTHON")

pytestmark = pytest.mark.skipif(
    PYTHON is None,
    reason="BENCHMARKS_JAX_PYTHON names no interpreter of an environment with jax-requirements.txt",
)

EPOCHS = 2
TRIALS = [
    {"seed": 0, "lr": 3e-3, "weight_decay": 0.1, "grad_scale": 1e-3},
    {"seed": 1, "lr": 1e-3, "weight_decay": 0.0, "grad_scale": 1.0},
    {"seed": 0, "lr": 1e-4, "weight_decay": 0.0, "grad_scale": 1e3},
]
# what the contender starts from, and its batches
SNIPPET = """
import sys, numpy, jax_contender
job = {job!r}
network, splits = jax_contender.network_and_splits(job)
arrays = {{}}
for seed in (0, 1):
    arrays |= {{f"{{seed}} {{name}}": value for name, value in jax_contender.initial(network, seed).items()}}
    arrays[f"{{seed}} orders"] = jax_contender.orders(seed, len(splits[0][0]), job["epochs"])
numpy.savez(job["folder"] + "/start.npz", **arrays)
"""


def in_jax(task, options, folder):
    """Train with the contender; return its curves, and the weights and batches of each seed."""
    job = {"task": task, "options": options, "trials": TRIALS, "workers": 2, "folder": str(folder)}
    job |= {"jax": {"chunk": 2, "processes": 2}, "epochs": EPOCHS}
    (folder / "job.json").write_text(json.dumps(job))
    command = [PYTHON, HERE / "jax_contender.py", folder / "job.json", folder / "answer.json"]
    subprocess.run(command, check=True, capture_output=True)
    subprocess.run([PYTHON, "-c", SNIPPET.format(job=job)], check=True, cwd=HERE)
    return np.load(folder / "curves.npz"), np.load(folder / "start.npz")


def linear(layer, start, name):
    """Give a layer, linear or convolution, the contender's weights ``[k k in, out]``."""
    weight = torch.tensor(start[f"{name}.weight"])
    if layer.weight.dim() == 4:
        out, fan_in, size, _ = layer.weight.shape
        weight = weight.view(size, size, fan_in, out).permute(3, 2, 0, 1)
    else:
        weight = weight.T
    layer.weight.data.copy_(weight)
    layer.bias.data.copy_(torch.tensor(start[f"{name}.bias"]))


def start_digits(model, start):
    layers = [layer for layer in model if hasattr(layer, "weight")]
    for index, layer in enumerate(layers[:-1]):
        linear(layer, start, str(index))
    linear(layers[-1], start, str(len(layers) - 1))
    if layers[0].weight.dim() == 4:
        # the contender flattens channels last
        columns = layers[-1].weight.data.view(10, 2, 2, 32).permute(0, 3, 1, 2)
        layers[-1].weight.data.copy_(columns.reshape(10, 128))


def start_text(model, start):
    for name in ("characters", "positions"):
        getattr(model, name).weight.data.copy_(torch.tensor(start[name]))
    linear(model.head, start, "head")
    for index, block in enumerate(model.blocks):
        parts = {"in": block.query_key_value, "out": block.project}
        parts |= {"up": block.layers[0], "down": block.layers[2]}
        for name, layer in parts.items():
            linear(layer, start, f"{index}.{name}")


def in_torch(task, trial, start, give):
    model = task.model()
    give(model, start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=trial["lr"], weight_decay=trial["weight_decay"])
    orders = torch.tensor(start["orders"]).long()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, orders.shape[0] * orders.shape[1])
    curve = [evaluated(task, model)]
    for epoch in orders:
        for order in epoch:
            optimizer.zero_grad()
            outputs = model(task.train.inputs[order])
            targets = task.train.targets[order]
            loss = functional.cross_entropy(outputs.flatten(0, -2), targets.flatten())
            (trial["grad_scale"] * loss).backward()
            optimizer.step()
            schedule.step()
        curve.append(evaluated(task, model))
    return curve


def evaluated(task, model):
    metrics = {}
    with torch.no_grad():
        for name, split in task.splits.items():
            outputs, targets = model(split.inputs).flatten(0, -2), split.targets.flatten()
            metrics[f"{name}_loss"] = functional.cross_entropy(outputs, targets).item()
            metrics[f"{name}_accuracy"] = (outputs.argmax(-1) == targets).float().mean().item()
    return metrics


@pytest.mark.parametrize(
    ("name", "give"), [("digits-mlp", start_digits), ("digits-cnn", start_digits), ("char-lm", start_text)]
)
def test_it_trains_what_a_loop_of_torch_trains(name, give, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    import workloads

    monkeypatch.setattr(workloads, "CHARACTERS", 8_000)
    options = workloads.options_of(name, tmp_path)
    workloads.write_data(name, options, tmp_path)
    curves, start = in_jax(name, options, tmp_path)
    task = load(name, **options)
    for index, trial in enumerate(TRIALS):
        prefix = f"{trial['seed']} "
        own = {key.removeprefix(prefix): start[key] for key in start.files if key.startswith(prefix)}
        expected = in_torch(task, trial, own, give)
        for key in expected[0]:
            values = [metrics[key] for metrics in expected]
            # an example or two may fall on the other side by rounding
            tolerance = 2e-3 if key.endswith("loss") else 6e-3
            np.testing.assert_allclose(curves[key][index], values, atol=tolerance, err_msg=f"{key} {trial}")
    sys.modules.pop("workloads")
