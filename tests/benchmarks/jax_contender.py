"""The grid as a JAX user would train it by hand: ``python jax_contender.py JOB ANSWER``, without torch.

``JOB`` is that of ``contenders.py`` with ``jax``: ``chunk``, how many models are trained at once, and ``processes``,
1 with all cores or one for each of ``workers`` cores with one thread each. ``epochs`` may be given. The data of
char-lm are in ``data.npz`` in the job's folder. ``ANSWER`` is as ``contenders.py`` writes it, with ``finished`` by
process as ``shares``; the losses and accuracies of all trials go to ``curves.npz``, ``[trials, epochs + 1]`` each.

A chunk is one compiled function: ``vmap`` over the models, ``scan`` over epochs and steps. Its models share a seed,
and so the batches, of which the first layer then needs one product for all of them.

Install with ``python -m venv DIR && DIR/bin/pip install -r tests/benchmarks/jax-requirements.txt``.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from contenders import BATCH_SIZE, EPOCHS, Answer, Job

NAMES = [f"{split}_{value}" for split in ("train", "val", "test") for value in ("loss", "accuracy")]
ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

Splits = list[tuple[np.ndarray, np.ndarray]]


def digits() -> Splits:
    """Return scikit-learn's digits, split and standardized as this project's tasks have them."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, targets = load_digits(return_X_y=True)
    rest, test, rest_targets, test_targets = train_test_split(
        images, targets, test_size=0.2, stratify=targets, random_state=0
    )
    train, val, train_targets, val_targets = train_test_split(
        rest, rest_targets, test_size=0.25, stratify=rest_targets, random_state=0
    )
    mean, deviation = train.mean(), train.std()
    inputs = [((split - mean) / deviation).astype(np.float32) for split in (train, val, test)]
    return list(
        zip(inputs, (t.astype(np.int32) for t in (train_targets, val_targets, test_targets)), strict=True)
    )


def network_and_splits(job: Job) -> tuple[Any, Splits]:
    """Return the network of the job's task and its data as the network takes them."""
    import jax_networks

    if job["task"].startswith("digits-"):
        network = {"digits-mlp": jax_networks.mlp, "digits-cnn": jax_networks.cnn}[job["task"]]()
        splits = digits()
    else:
        data = np.load(Path(job["folder"]) / "data.npz")
        shape = {name: job["options"][name] for name in ("context", "width", "depth", "heads")}
        network = jax_networks.transformer(int(data["characters"]), **shape)
        splits = [(data[f"{split}_inputs"], data[f"{split}_targets"]) for split in ("train", "val", "test")]
    return network, [(network.prepare(inputs), targets) for inputs, targets in splits]


def chunks(trials: list[dict[str, Any]], size: int) -> list[list[int]]:
    """Return the indices of the trials in chunks of one seed each."""
    order = sorted(range(len(trials)), key=lambda index: trials[index]["seed"])
    groups = itertools.groupby(order, key=lambda index: trials[index]["seed"])
    return [list(part) for _, group in groups for part in _cut(list(group), size)]


def _cut(indices: list[int], size: int) -> list[list[int]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def initial(network: Any, seed: int) -> dict[str, np.ndarray]:
    """Return the parameters that all trials of a seed start from."""
    return network.initialize(np.random.default_rng([seed, 0]))


def orders(seed: int, examples: int, epochs: int) -> np.ndarray:
    """Return the training examples of each step, ``[epochs, steps, batch]``: each epoch a new permutation."""
    generator, steps = np.random.default_rng([seed, 1]), examples // BATCH_SIZE
    drawn = [generator.permutation(examples)[: steps * BATCH_SIZE] for _ in range(epochs)]
    return np.stack(drawn).reshape(epochs, steps, BATCH_SIZE).astype(np.int32)


def train_share(job: Job, core: int | None) -> tuple[list[int], list[float], np.ndarray]:
    """Train every so many of the job's chunks on one core, or all of them on all cores if ``core`` is None.

    Returns:
        Indices of the trials, the clock at the end of each, and metrics ``[trials, epochs + 1, splits, 2]``.
    """
    own = slice(None)
    if core is not None:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[core % len(cores)]})
        os.environ["XLA_FLAGS"] = ONE_THREAD
        own = slice(core, None, job["jax"]["processes"])
    import jax_training

    network, splits = network_and_splits(job)
    examples, size, epochs = len(splits[0][0]), job["jax"]["chunk"], job.get("epochs", EPOCHS)
    rates = jax_training.rates_of_steps(epochs, examples // BATCH_SIZE)
    train = jax_training.chunk_trainer(jax_training.trainer(network.apply, splits, rates))
    indices, finished, metrics = [], [], []
    for chunk in chunks(job["trials"], size)[own]:
        trials = [job["trials"][index] for index in (chunk + chunk[-1:] * size)[:size]]
        names = ("lr", "weight_decay", "grad_scale")
        numbers = {name: np.array([trial[name] for trial in trials], np.float32) for name in names}
        seed = int(trials[0]["seed"])
        batches = orders(seed, examples, epochs)
        metrics.append(np.asarray(train(initial(network, seed), numbers, batches))[: len(chunk)])
        indices += chunk
        finished += [time.time()] * len(chunk)
    return indices, finished, np.concatenate(metrics)


def train_all(job: Job) -> Answer:
    """Train all trials of a job in one or in several processes."""
    processes = job["jax"]["processes"]
    if processes == 1 and job["workers"] > 1:
        shares = [train_share(job, None)]
    else:
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            shares = pool.starmap(train_share, [(job, core) for core in range(processes)], chunksize=1)
    place = np.argsort(np.concatenate([indices for indices, _, _ in shares]))
    metrics = np.concatenate([share for _, _, share in shares])[place]
    curves = metrics.reshape(*metrics.shape[:2], len(NAMES)).transpose(2, 0, 1)
    np.savez(Path(job["folder"]) / "curves.npz", **dict(zip(NAMES, curves, strict=True)))
    return {
        "finished": [moment for _, moments, _ in shares for moment in moments],
        "shares": [moments for _, moments, _ in shares],
        "accuracy": float(curves[NAMES.index("test_accuracy"), :, -1].mean()),
        "note": f"chunks of {job['jax']['chunk']}, {processes} process{'es' if processes > 1 else ''}",
    }


if __name__ == "__main__":
    job_file, answer_file = sys.argv[1:]
    answer = train_all(json.loads(Path(job_file).read_text()))
    Path(answer_file).write_text(json.dumps(answer))
