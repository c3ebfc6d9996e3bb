"""The same grid of short trials, trained by Ray Tune, by a loop written by hand, and by this project.

digits-mlp on 2 cores (Intel Xeon, AVX-512), Python 3.11.7, torch 2.15.0, Ray 2.60, medians, start-up included: 512
trials (n = 2 rounds) take Ray Tune as documented 1,648 s (extrapolated), Ray Tune with reused actors 64 s
(extrapolated), the loop by hand 57 s, this project 52 s; 4,096 trials (n = 1) 446 s and 281 s (both extrapolated)
and 216 s. Once running: 13 trials/s against 10 by hand (512), 24 against 16 (4,096). Share of the peak of
torch.mm in a fused step, 16, 32 and 64 models: 0.41, 0.39, 0.37; one model by hand 0.09.

Every contender runs in a fresh process with empty caches, and its seconds are those of the whole process: start,
imports, Ray, calibration, compiling, training, storing, report. Contenders take turns. Those marked ``from a and
b`` were run with a and with b trials, and the rest is read off a straight line through both: this favours Ray Tune,
whose cost per trial grows with the number of trials. ``trials/s`` is the rate once running: the slope of that line
or, where all trials were run, the rate at which the second half of them arrived. ``start s`` is the rest of the time.

``share`` compares the fused training step of digits-mlp with the machine's own matrix product.

Examples:
    python tests/benchmarks/sweep_throughput.py
    python tests/benchmarks/sweep_throughput.py --trials 4096 --only iii,iv
    python tests/benchmarks/sweep_throughput.py --task digits-cnn
    python tests/benchmarks/sweep_throughput.py --task resnet8
    python tests/benchmarks/sweep_throughput.py --device cuda
"""

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

from contenders import EPOCHS
from measure import machine, report
from training_steps import PACKS, resnet8, share_of_peak

HERE = Path(__file__).parent
AXES = {"lr": 8, "weight_decay": 4, "grad_scale": 4}  # points at most; seeds make up the rest


@dataclass(frozen=True)
class Contender:
    """One way to train the grid.

    Attributes:
        function: Its name in ``contenders.py``.
        title: What a table calls it.
        sample: The two numbers of trials to run if there are more than ``most``.
        most: Up to how many trials all of them are run.
    """

    function: str
    title: str
    sample: tuple[int, int] = (0, 0)
    most: float = math.inf


CONTENDERS = {
    "i": Contender("ray_documented", "i Ray Tune as documented", (4, 8), 8),
    "ii": Contender("ray_reusing", "ii Ray Tune, actors reused, quiet", (32, 128), 128),
    "iii": Contender("by_hand", "iii loop by hand, AdamW fused", (256, 512), 1024),
    "iv": Contender("project", "iv this project"),
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


def run(contender: Contender, count: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train ``count`` trials in a fresh process; return its answer, and its ``seconds``."""
    spans = axes(arguments.trials)
    trials = cells(spans)
    if count < len(trials):
        trials = random.Random(0).sample(trials, count)
    with tempfile.TemporaryDirectory() as folder:
        workers = 1 if arguments.device == "cuda" else machine()["cores"]
        job = {"task": arguments.task, "axes": spans, "trials": trials, "device": arguments.device}
        job |= {"workers": workers, "folder": folder}
        files = {name: Path(folder) / f"{name}.json" for name in ("job", "answer")}
        files["job"].write_text(json.dumps(job))
        caches = {"XDG_CACHE_HOME": f"{folder}/cache", "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor"}
        command = [sys.executable, HERE / "contenders.py", contender.function, *files.values()]
        started = time.perf_counter()
        done = subprocess.run(
            command,
            env={**os.environ, **caches, "RAY_USAGE_STATS_ENABLED": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{contender.title}: exit code {done.returncode}\n{done.stdout[-3000:]}")
        print(f"{contender.title}: {count} trials in {seconds:.1f} s", file=sys.stderr)
        return {
            "seconds": seconds,
            "count": count,
            "workers": workers,
            **json.loads(files["answer"].read_text()),
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


def once(contender: Contender, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return a contender's seconds for all trials, its rate once running, and how both were found."""
    total = arguments.trials
    if total <= contender.most:
        ran = run(contender, total, arguments)
        rate, seconds, basis = rate_once_running(ran["finished"], ran["workers"]), ran["seconds"], "measured"
    else:
        few, ran = (run(contender, count, arguments) for count in contender.sample)
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
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(arguments.rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            results[name].append(once(CONTENDERS[name], arguments))

    def median(name: str, key: str) -> float:
        return statistics.median(result[key] for result in results[name])

    def known(value: float) -> float | None:
        return value if math.isfinite(value) else None

    last, rows = names[-1], []
    for name in names:
        seconds, rate = median(name, "seconds"), median(name, "rate")
        times = [result["seconds"] for result in results[name]]
        rows.append(
            {
                "contender": CONTENDERS[name].title,
                "seconds": seconds,
                "min": min(times),
                "max": max(times),
                "basis": results[name][-1]["basis"],
                f"x {last}": seconds / median(last, "seconds"),
                "start s": known(seconds - arguments.trials / rate),
                "trials/s": known(rate),
                f"{last} rate x": known(median(last, "rate") / rate),
                "test accuracy": results[name][-1]["accuracy"],
                "note": results[name][-1]["note"],
            }
        )
    return rows


def main() -> None:
    """Read the command line, run what it asks for, print tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", choices=("digits-mlp", "digits-cnn", "resnet8"), default="digits-mlp")
    parser.add_argument("--trials", type=int, default=512)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--only", help="some of i,ii,iii,iv,share; default: what the task and the device allow"
    )
    parser.add_argument("--rounds", type=int, default=1, help="how often each contender runs")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each table")
    arguments = parser.parse_args()
    if arguments.task == "resnet8":
        rows = resnet8(arguments.device, arguments.rounds)
        report(f"ResNet-8, batch 128, {arguments.device}: a training step of a model", rows, arguments.json)
        return
    all_of_them = arguments.task == "digits-mlp" and arguments.device == "cpu"
    names = (arguments.only or ("i,ii,iii,iv,share" if all_of_them else "iii,iv")).split(",")
    if unknown := set(names) - {*CONTENDERS, "share"}:
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    contenders = [name for name in CONTENDERS if name in names]
    if contenders:
        title = f"{arguments.trials} trials of {arguments.task}, {EPOCHS} epochs, on {arguments.device}"
        report(title, sweeps(contenders, arguments), arguments.json)
    if "share" in names:
        rows = share_of_peak(cells(axes(2 * max(PACKS))), arguments.rounds)
        report("digits-mlp, batch 64, one thread: a training step of a model", rows, arguments.json)


if __name__ == "__main__":
    main()
