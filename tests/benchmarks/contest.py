"""Contenders and how they are run: each in a fresh process, in turns, with empty caches or with filled ones."""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jax_choice import chosen
from measure import machine
from workloads import options_of, write_data

HERE = Path(__file__).parent
AXES = {"lr": 8, "weight_decay": 4, "grad_scale": 4}  # points at most; seeds make up the rest


@dataclass(frozen=True)
class Contender:
    """One way to train the grid.

    Attributes:
        function: Its name in ``contenders.py``; None for ``jax_contender.py``.
        title: What a table calls it.
        sample: The two numbers of trials to run if there are more than ``most``.
        most: Up to how many trials all of them are run.
    """

    function: str | None
    title: str
    sample: tuple[int, int] = (0, 0)
    most: float = math.inf


CONTENDERS = {
    "i": Contender("ray_documented", "i Ray Tune as documented", (4, 8), 8),
    "ii": Contender("ray_reusing", "ii Ray Tune, actors reused, quiet", (32, 128), 128),
    "iii": Contender("by_hand", "iii loop by hand, AdamW fused", (256, 512), 1024),
    "iv": Contender("project", "iv this project"),
    "v": Contender(None, "v JAX by hand: vmap, scan, jit", (512, 2048), 4096),
}


def axes(count: int) -> dict[str, list[float]]:
    """Return learning rates, decays, gradient scales and seeds of ``count`` trials in all."""
    points, left = {}, count
    for name, most in AXES.items():
        points[name] = math.gcd(left, most)
        left //= points[name]
    rates = [float(f"{3e-3 * 10 ** (index / 2 - 2):.6g}") for index in range(points["lr"])]
    return {
        "lr": rates,
        "weight_decay": [0.0, 1e-4, 1e-2, 1e-1][: points["weight_decay"]],
        "grad_scale": [1.0, 1e-3, 1e3, 1e-1][: points["grad_scale"]],
        "seed": list(range(left)),
    }


def cells(spans: dict[str, list[float]]) -> list[dict[str, float]]:
    """Return every trial of a grid, the learning rate varying fastest."""
    names = ["seed", "grad_scale", "weight_decay", "lr"]
    return [dict(zip(names, cell, strict=True)) for cell in itertools.product(*(spans[n] for n in names))]


def sampled(spans: dict[str, list[float]], count: int) -> list[dict[str, float]]:
    """Return ``count`` trials of a grid: all of the first seeds if that makes so many, else some at random."""
    trials = cells(spans)
    if count % (len(trials) // len(spans["seed"])) == 0:
        return trials[:count]
    return random.Random(0).sample(trials, count)


def run(
    contender: Contender, count: int, arguments: argparse.Namespace, caches: Path | None = None
) -> dict[str, Any]:
    """Train ``count`` trials in a fresh process; return its answer, and its ``seconds``.

    Args:
        contender: Who.
        count: How many.
        arguments: The command line's.
        caches: A folder that keeps what was compiled and measured; by default it is new and empty.
    """
    spans = axes(arguments.trials)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        workers = 1 if arguments.device == "cuda" else machine()["cores"]
        options = options_of(arguments.task, folder)
        job = {"task": arguments.task, "options": options, "axes": spans, "trials": sampled(spans, count)}
        job |= {"device": arguments.device, "workers": workers, "folder": name, "jax": arguments.jax_way}
        files = {name: folder / f"{name}.json" for name in ("job", "answer")}
        files["job"].write_text(json.dumps(job))
        if contender.function is None:
            write_data(arguments.task, options, folder)
            command = [arguments.jax_python, HERE / "jax_contender.py"]
        else:
            command = [sys.executable, HERE / "contenders.py", contender.function]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, *files.values()],
            env={**os.environ, **_environment(caches or folder), "RAY_USAGE_STATS_ENABLED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{contender.title}: exit code {done.returncode}\n{done.stdout[-3000:]}")
        print(f"{contender.title}: {count} trials in {seconds:.1f} s", file=sys.stderr)
        answer = json.loads(files["answer"].read_text())
        return {"seconds": seconds, "count": count, "workers": workers, **answer}


def _environment(caches: Path) -> dict[str, str]:
    """Return where each contender finds its caches."""
    return {
        "XDG_CACHE_HOME": f"{caches}/cache",
        "TORCHINDUCTOR_CACHE_DIR": f"{caches}/inductor",
        "JAX_COMPILATION_CACHE_DIR": f"{caches}/jax",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }


def rate_once_running(finished: list[float], workers: int) -> float:
    """Return the trials per second of about the second half of a run; NaN if it is too short to say.

    Workers tend to finish packs at the same moments, so the window spans whole rounds of all of them.
    """
    arrivals = sorted(Counter(finished).items())
    rounds = math.ceil((len(arrivals) - 1) // workers / 2)
    if not rounds:
        return math.nan
    since = arrivals[-1 - rounds * workers][0]
    return sum(count for moment, count in arrivals if moment > since) / (arrivals[-1][0] - since)


def once(contender: Contender, arguments: argparse.Namespace, caches: Path | None) -> dict[str, Any]:
    """Return a contender's seconds for all trials, its rate once running, and how both were found."""
    total = arguments.trials
    if total <= contender.most:
        ran = run(contender, total, arguments, caches)
        rate, seconds, basis = rate_once_running(ran["finished"], ran["workers"]), ran["seconds"], "measured"
    else:
        few, ran = (run(contender, count, arguments, caches) for count in contender.sample)
        rate = (ran["count"] - few["count"]) / (ran["seconds"] - few["seconds"])
        seconds = ran["seconds"] + (total - ran["count"]) / rate
        basis = f"extrapolated from {few['count']} and {ran['count']}"
    return {
        "seconds": seconds,
        "rate": rate,
        "basis": basis,
        "accuracy": ran["accuracy"],
        "note": ran["note"],
    }


def sweeps(names: list[str], arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Let the contenders take turns, and return a row for each."""
    if "v" in names:
        arguments.jax_way = chosen(arguments.task, arguments.jax_python, cells(axes(arguments.trials)))
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: Path(folder) / name if arguments.warm else None for name in names}
        for name in names if arguments.warm else ():
            once(CONTENDERS[name], arguments, kept[name])
        for number in range(arguments.rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                results[name].append(once(CONTENDERS[name], arguments, kept[name]))
    return rows(results, "iv" if "iv" in names else names[-1], arguments.trials)


def rows(results: dict[str, list[dict[str, Any]]], last: str, trials: int) -> list[dict[str, Any]]:
    """Return the medians of all contenders, and what they are against those of ``last``."""

    def median(name: str, key: str) -> float:
        return statistics.median(result[key] for result in results[name])

    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    table = []
    for name, ran in results.items():
        seconds, rate = median(name, "seconds"), median(name, "rate")
        times = [result["seconds"] for result in ran]
        table.append(
            {
                "contender": CONTENDERS[name].title,
                "seconds": seconds,
                "min": min(times),
                "max": max(times),
                "basis": ran[-1]["basis"],
                f"x {last}": seconds / median(last, "seconds"),
                "start s": known(seconds - trials / rate),
                "trials/s": known(rate),
                f"{last} rate x": known(median(last, "rate") / rate),
                "test accuracy": ran[-1]["accuracy"],
                "note": ran[-1]["note"],
            }
        )
    return table
