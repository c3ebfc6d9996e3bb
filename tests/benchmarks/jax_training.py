"""Training of a chunk of models in one compiled function: ``vmap`` over models, ``scan`` over epochs and steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

BETAS, EPSILON = (0.9, 0.999), 1e-8
EVALUATED = 256  # examples at a time, so that all activations stay in the cache


def log_probabilities(scores: Any, targets: Any) -> Any:
    """Return the log-probability of each target."""
    shifted = scores - lax.stop_gradient(scores.max(-1, keepdims=True))
    chosen = jnp.take_along_axis(shifted, targets[..., None], -1)[..., 0]
    return chosen - jnp.log(jnp.exp(shifted).sum(-1))


def adamw(parameters: Any, gradient: Any, state: Any, trial: Any, rates: Any) -> tuple[Any, Any]:
    """Return parameters and state after a step of AdamW with decoupled decay."""
    first, second = BETAS
    mean = jax.tree.map(lambda m, g: first * m + (1 - first) * g, state[0], gradient)
    square = jax.tree.map(lambda v, g: second * v + (1 - second) * g * g, state[1], gradient)
    multiplier, unbias, unbias_root = rates
    rate = trial["lr"] * multiplier
    keep, size = 1 - rate * trial["weight_decay"], rate * unbias

    def moved(p: Any, m: Any, v: Any) -> Any:
        return keep * p - size * m / (jnp.sqrt(v) * unbias_root + EPSILON)

    return jax.tree.map(moved, parameters, mean, square), (mean, square)


def rates_of_steps(epochs: int, steps: int) -> np.ndarray:
    """Return ``[epochs, steps, 3]``: cosine multiplier, ``1 / (1 - b1^t)``, ``1 / sqrt(1 - b2^t)``."""
    number = np.arange(epochs * steps)
    first, second = (1 - beta ** (number + 1.0) for beta in BETAS)
    cosine = (1 + np.cos(np.pi * number / (epochs * steps))) / 2
    return np.stack([cosine, 1 / first, 1 / np.sqrt(second)], -1).reshape(epochs, steps, 3).astype(np.float32)


def blocks_of(splits: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the examples of all splits in blocks, with the share ``[blocks, size, splits]`` of each in its split."""
    inputs, targets = (np.concatenate(parts) for parts in zip(*splits, strict=True))
    shares = np.zeros((len(inputs), len(splits)), np.float32)
    ends = np.cumsum([len(part) for part, _ in splits])
    for index, (part, _) in enumerate(splits):
        shares[ends[index] - len(part) : ends[index], index] = 1 / len(part)
    predictions = targets[0].size
    count = -(-len(inputs) // max(1, EVALUATED // predictions))
    size = -(-len(inputs) // count)

    def cut(values: np.ndarray) -> np.ndarray:
        padded = np.pad(values, [(0, count * size - len(values))] + [(0, 0)] * (values.ndim - 1))
        return padded.reshape(count, size, *values.shape[1:])

    return cut(inputs), cut(targets), cut(shares)


def trainer(
    apply: Callable[[Any, Any], Any], splits: list[tuple[np.ndarray, np.ndarray]], rates: np.ndarray
) -> Any:
    """Return ``(parameters, trial, orders) -> metrics [epochs + 1, splits, 2]`` of one model: losses and accuracies.

    ``orders`` ``[epochs, steps, batch]`` are the training examples of each step.
    """
    train_inputs, train_targets = splits[0]
    blocks = blocks_of(splits)

    def loss(parameters: Any, inputs: Any, targets: Any, scale: Any) -> Any:
        return -scale * log_probabilities(apply(parameters, inputs), targets).mean()

    def evaluate(parameters: Any) -> Any:
        def add(sums: Any, block: Any) -> tuple[Any, None]:
            inputs, targets, shares = block
            scores = apply(parameters, inputs)
            right = (scores.argmax(-1) == targets).astype(jnp.float32)
            values = jnp.stack([-log_probabilities(scores, targets), right], -1)
            values = values.reshape(len(shares), -1, 2).mean(1)
            return sums + shares.T @ values, None

        return lax.scan(add, jnp.zeros((len(splits), 2)), blocks)[0]

    def train(parameters: Any, trial: Any, orders: Any) -> Any:
        def step(carry: Any, now: Any) -> tuple[Any, None]:
            order, rate = now
            batch = jnp.asarray(train_inputs)[order], jnp.asarray(train_targets)[order]
            gradient = jax.grad(loss)(carry[0], *batch, trial["grad_scale"])
            return adamw(carry[0], gradient, carry[1], trial, rate), None

        def epoch(carry: Any, now: Any) -> tuple[Any, Any]:
            carry = lax.scan(step, carry, now)[0]
            return carry, evaluate(carry[0])

        zeros = jax.tree.map(jnp.zeros_like, parameters)
        ends = lax.scan(epoch, (parameters, (zeros, zeros)), (orders, jnp.asarray(rates)))[1]
        return jnp.concatenate([evaluate(parameters)[None], ends])

    return train


def chunk_trainer(train: Any) -> Any:
    """Return ``train`` of a chunk of models of one initialization and the same batches, compiled at first."""

    def chunk(parameters: Any, trials: Any, orders: Any) -> Any:
        return jax.vmap(train, in_axes=(None, 0, None))(parameters, trials, orders)

    return jax.jit(chunk)
