"""A training step of ResNet-8 in JAX, one thread: ``python jax_resnet8.py BATCH ROUNDS`` prints ms a model as JSON.

The network is that of ``resnet8.py``, BatchNorm in training mode with its running statistics, AdamW as in
``jax_training.py``; channels come last, which XLA's convolutions need on a CPU.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from jax_contender import ONE_THREAD

os.environ["XLA_FLAGS"] = ONE_THREAD

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax_networks import linear
from jax_training import adamw, log_probabilities

WIDTHS, CLASSES, SIDE = (16, 16, 32, 64), 10, 32
MOMENTUM, EPSILON = 0.1, 1e-5


def convolutions() -> dict[str, tuple[int, int, int, int]]:
    """Return kernel size, channels in, channels out and stride of each convolution."""
    found = {"stem": (3, 3, WIDTHS[0], 1)}
    for block, (before, after) in enumerate(itertools.pairwise(WIDTHS)):
        stride = 1 if before == after else 2
        found[f"{block}.first"] = (3, before, after, stride)
        found[f"{block}.second"] = (3, after, after, 1)
        if stride > 1:
            found[f"{block}.short"] = (1, before, after, stride)
    return found


CONVOLUTIONS = convolutions()


def initialize(generator: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return parameters and the running means and variances."""
    parameters, running = linear(generator, "head", WIDTHS[-1], CLASSES), {}
    for name, (size, before, after, _) in CONVOLUTIONS.items():
        bound = (size * size * before) ** -0.5
        parameters[name] = generator.uniform(-bound, bound, (size, size, before, after)).astype(np.float32)
        if "short" not in name:
            parameters[f"{name}.weight"], parameters[f"{name}.bias"] = (
                np.ones(after, "f4"),
                np.zeros(after, "f4"),
            )
            running[name] = np.zeros(after, "f4"), np.ones(after, "f4")
    return parameters, running


def loss(parameters: Any, running: Any, inputs: Any, targets: Any) -> tuple[Any, Any]:
    """Return the loss and the new running statistics."""
    updated = {}

    def convolved(name: str, images: Any) -> Any:
        size, _, _, stride = CONVOLUTIONS[name]
        around = [(size // 2, size // 2)] * 2
        return lax.conv_general_dilated(
            images, parameters[name], (stride, stride), around, dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def normalized(name: str, images: Any) -> Any:
        hidden = convolved(name, images)
        mean = hidden.mean((0, 1, 2))
        variance = (hidden**2).mean((0, 1, 2)) - mean**2
        count = hidden.size // hidden.shape[-1]
        kept, new = running[name], (mean, variance * count / (count - 1))
        updated[name] = tuple((1 - MOMENTUM) * k + MOMENTUM * n for k, n in zip(kept, new, strict=True))
        factor = parameters[f"{name}.weight"] * lax.rsqrt(variance + EPSILON)
        return hidden * factor + (parameters[f"{name}.bias"] - mean * factor)

    hidden = jax.nn.relu(normalized("stem", inputs))
    for block in range(len(WIDTHS) - 1):
        short = convolved(f"{block}.short", hidden) if f"{block}.short" in CONVOLUTIONS else hidden
        inner = jax.nn.relu(normalized(f"{block}.first", hidden))
        hidden = jax.nn.relu(normalized(f"{block}.second", inner) + short)
    scores = hidden.mean((1, 2)) @ parameters["head.weight"] + parameters["head.bias"]
    return -log_probabilities(scores, targets).mean(), updated


def step(carry: Any, batch: Any) -> Any:
    """Take one training step."""
    parameters, running, state = carry
    gradient, running = jax.grad(loss, has_aux=True)(parameters, running, *batch)
    trial, rates = {"lr": 1e-3, "weight_decay": 1e-4}, (1.0, 1.0, 1.0)
    parameters, state = adamw(parameters, gradient, state, trial, rates)
    return parameters, running, state


def timed(taken: Callable[[Any, Any], Any], carry: Any, batch: Any, rounds: int) -> float:
    """Return the median seconds of a step after the first."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        carry = jax.block_until_ready(taken(carry, batch))
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def main() -> None:
    """Time one model, and several under ``vmap``."""
    size, rounds = map(int, sys.argv[1:])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    generator = np.random.default_rng(0)
    inputs = generator.standard_normal((size, SIDE, SIDE, 3), np.float32)
    batch = jnp.asarray(inputs), jnp.asarray(generator.integers(0, CLASSES, size))
    parameters, running = initialize(generator)
    zeros = jax.tree.map(jnp.zeros_like, parameters)
    carry = (parameters, running, (zeros, zeros))
    found = {
        "one model": 1e3
        * timed(jax.jit(step, donate_argnums=0), jax.tree.map(jnp.array, carry), batch, rounds)
    }
    several = jax.tree.map(lambda value: jnp.stack([value] * 4), carry)
    together = jax.jit(jax.vmap(step, in_axes=(0, None)), donate_argnums=0)
    found["vmap of 4 models"] = 1e3 * timed(together, several, batch, rounds) / 4
    print(json.dumps(found))


if __name__ == "__main__":
    main()
