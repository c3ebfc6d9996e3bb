"""The benchmarks' networks as a JAX user writes them: parameters as numpy arrays, initialized as torch's layers are.

Without torch and without this project, for ``jax_contender.py``. All layers are written as products of matrices, so
that XLA has products of many models at once under ``vmap``: its grouped convolutions are many times slower on a CPU.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Network:
    """A network of one task.

    Attributes:
        initialize: Draws parameters.
        apply: ``(parameters, inputs) -> scores``, one row of scores a target.
        prepare: Applied to all inputs of the task once, before training.
    """

    initialize: Callable[[np.random.Generator], Parameters]
    apply: Callable[[Parameters, Any], Any]
    prepare: Callable[[np.ndarray], np.ndarray] = lambda inputs: inputs


def linear(generator: np.random.Generator, name: str, fan_in: int, units: int) -> Parameters:
    """Return weights ``[in, out]`` and biases in torch's range, ``1 / sqrt(in)`` to either side of 0."""
    bound = 1 / math.sqrt(fan_in)

    def draw(*shape: int) -> np.ndarray:
        return generator.uniform(-bound, bound, shape).astype(np.float32)

    return {f"{name}.weight": draw(fan_in, units), f"{name}.bias": draw(units)}


def applied(parameters: Parameters, name: str, inputs: Any) -> Any:
    """Return the outputs of a linear layer."""
    return inputs @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"]


def mlp() -> Network:
    """Return 64-128-128-10 with ReLU, as digits-mlp."""
    sizes = (64, 128, 128, 10)
    layers = list(itertools.pairwise(sizes))

    def initialize(generator: np.random.Generator) -> Parameters:
        parameters: Parameters = {}
        for index, (fan_in, units) in enumerate(layers):
            parameters |= linear(generator, str(index), fan_in, units)
        return parameters

    def apply(parameters: Parameters, inputs: Any) -> Any:
        for index in range(len(layers) - 1):
            inputs = jax.nn.relu(applied(parameters, str(index), inputs))
        return applied(parameters, str(len(layers) - 1), inputs)

    return Network(initialize, apply)


def patches(images: Any, numbers: Any = jnp) -> Any:
    """Return the 3x3 surroundings ``[..., side, side, 9 C]`` of each pixel of ``[..., side, side, C]``."""
    side = images.shape[-2]
    around = [(0, 0)] * (images.ndim - 3) + [(1, 1), (1, 1), (0, 0)]
    padded = numbers.pad(images, around)
    shifted = [padded[..., i : i + side, j : j + side, :] for i in range(3) for j in range(3)]
    return numbers.concatenate(shifted, axis=-1)


def halved(images: Any) -> Any:
    """Return the maxima of 2x2 pixels."""
    top, bottom = images[..., ::2, :, :], images[..., 1::2, :, :]
    rows = jnp.maximum(top, bottom)
    return jnp.maximum(rows[..., ::2, :], rows[..., 1::2, :])


def cnn() -> Network:
    """Return two 3x3 convolutions, each halved by max-pooling, and a linear layer, as digits-cnn."""

    def initialize(generator: np.random.Generator) -> Parameters:
        sizes = {"0": (9, 16), "1": (9 * 16, 32), "2": (128, 10)}
        return {k: v for name, size in sizes.items() for k, v in linear(generator, name, *size).items()}

    def apply(parameters: Parameters, inputs: Any) -> Any:
        # ReLU after pooling gives the same as before it, on a quarter of the numbers
        hidden = jax.nn.relu(halved(applied(parameters, "0", inputs)))
        hidden = jax.nn.relu(halved(applied(parameters, "1", patches(hidden))))
        return applied(parameters, "2", hidden.reshape(*hidden.shape[:-3], 128))

    return Network(initialize, apply, lambda inputs: patches(inputs.reshape(-1, 8, 8, 1), np))


def transformer(characters: int, *, context: int, width: int, depth: int, heads: int) -> Network:
    """Return the causal transformer of char-lm."""

    def initialize(generator: np.random.Generator) -> Parameters:
        parameters: Parameters = {}
        for name, rows in (("characters", characters), ("positions", context)):
            parameters[name] = generator.normal(0, 0.02, (rows, width)).astype(np.float32)
        norms = ["norm", *(f"{b}.{name}" for b in range(depth) for name in ("attention_norm", "layers_norm"))]
        for name in norms:
            parameters[f"{name}.weight"] = np.ones(width, np.float32)
            parameters[f"{name}.bias"] = np.zeros(width, np.float32)
        for block in range(depth):
            sizes = {"in": (width, 3 * width), "out": (width, width)}
            sizes |= {"up": (width, 4 * width), "down": (4 * width, width)}
            for name, size in sizes.items():
                parameters |= linear(generator, f"{block}.{name}", *size)
        return parameters | linear(generator, "head", width, characters)

    def apply(parameters: Parameters, inputs: Any) -> Any:
        at = partial(applied, parameters)
        # layers work on rows, one a character: XLA's gradients of products are faster so
        hidden = (parameters["characters"][inputs] + parameters["positions"]).reshape(-1, width)
        for block in range(depth):
            parts = at(f"{block}.in", normalized(parameters, f"{block}.attention_norm", hidden))
            seen = attended(parts.reshape(*inputs.shape, 3 * width), heads)
            hidden = hidden + at(f"{block}.out", seen.reshape(-1, width))
            raised = at(f"{block}.up", normalized(parameters, f"{block}.layers_norm", hidden))
            hidden = hidden + at(f"{block}.down", gelu(raised))
        scores = at("head", normalized(parameters, "norm", hidden))
        return scores.reshape(*inputs.shape, characters)

    return Network(initialize, apply)


def gelu(inputs: Any) -> Any:
    """Return the exact GELU; ``jax.nn.gelu`` computes it by ``erfc``, which takes XLA several times as long."""
    return 0.5 * inputs * (1 + jax.lax.erf(inputs * math.sqrt(0.5)))


def normalized(parameters: Parameters, name: str, inputs: Any) -> Any:
    """Return a layer's outputs of mean 0 and variance 1, scaled and shifted."""
    centred = inputs - inputs.mean(-1, keepdims=True)
    scale = jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return centred * scale * parameters[f"{name}.weight"] + parameters[f"{name}.bias"]


def attended(parts: Any, heads: int) -> Any:
    """Return causal attention ``[N, T, width]`` of queries, keys and values ``[N, T, 3 width]``."""
    examples, context, three = parts.shape
    parts = parts.reshape(examples, context, 3, heads, three // 3 // heads)
    query, key, value = (parts[:, :, index] for index in range(3))
    scores = jnp.einsum("nqhd,nkhd->nhqk", query, key) / math.sqrt(query.shape[-1])
    seen = jnp.tril(jnp.ones((context, context), bool))
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf), axis=-1)
    return jnp.einsum("nhqk,nkhd->nqhd", weights, value).reshape(examples, context, three // 3)
