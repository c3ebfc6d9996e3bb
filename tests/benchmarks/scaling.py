"""Time and peak memory of planning, storing and loading studies of 10^2 to 10^5 trials, and time against pack size.

100,000 trials on 2 cores (Intel Xeon), Python 3.11.7, torch 2.15.0, n = 1: planning 1.8 s, storing 5.3 s, loading
rows 1.9 s, curves 5.0 s, all linear; at most 0.92 GB (planning, nearly all of it torch), 1.46 GB with the 6.3
million points of the curves.

Every line is a process of its own. ``seconds`` leaves out its start and imports, ``MB`` is the most memory it ever
held (``ru_maxrss``), and ``MB more`` how much more that is than after its imports. Rows are synthetic, with
curves of 20 epochs, and stored in parts as a sweep stores packs. Packs train digits-mlp for 20 epochs of 16
steps, evaluations included, compiled beforehand, on one thread.

Examples:
    python tests/benchmarks/scaling.py
    python tests/benchmarks/scaling.py --most 1000 --rounds 1
    python tests/benchmarks/scaling.py --only packs
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SIZES = (100, 1_000, 10_000, 100_000)
PACK_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
GROUPS = {"planning": ("plan",), "storage": ("store", "ids", "load", "curves"), "packs": ("pack",)}
WHAT = {
    "plan": "plan: expand, cut into packs",
    "store": "store rows and curves",
    "ids": "find out what is stored",
    "load": "load rows",
    "curves": "load curves",
    "pack": "train a pack",
}
EPOCHS, PART = 20, 64


def plan(count: int, folder: Path) -> Callable[[], object]:
    """Expand the trials of a study of 10 learning rates, 10 decays and as many seeds as it takes; cut packs."""
    import studies
    from robustness.training import Engine
    from studies.planning.plan import cut
    from studies.planning.trials import expand

    spec = studies.StudySpec(
        name="scaling",
        task="digits-mlp",
        budget={"epochs": EPOCHS, "batch_size": 64},
        seeds=count // 100,
        grid={"lr": {"decades": 4, "points": 10}, "weight_decay": [0.001 * index for index in range(10)]},
        optimizers={"adamw": {"lr": 3e-3}},
    )
    task, engine = spec.load_task(), Engine("fused", PART, False, {})
    return lambda: cut(expand(spec, task), engine)


def _parts(count: int) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """Yield rows and points of curves, part after part."""
    import pyarrow as pa

    from studies.store.schema import ROW_SCHEMA

    constant = {name: "text" for name in ROW_SCHEMA.names if ROW_SCHEMA.field(name).type == pa.string()}
    numbers = [name for name in ROW_SCHEMA.names if ROW_SCHEMA.field(name).type == pa.float64()]
    for start in range(0, count, PART):
        rows, curves = [], []
        for index in range(start, min(start + PART, count)):
            row = {name: random.random() for name in numbers}
            rows.append(
                {**constant, **row, "trial_id": f"{index:016x}", "pack_id": f"{start:012x}", "seed": 0}
            )
            curves += [
                {
                    "trial_id": f"{index:016x}",
                    "epoch": epoch,
                    "split": split,
                    "loss": random.random(),
                    "accuracy": random.random(),
                }
                for epoch in range(EPOCHS + 1)
                for split in ("train", "val", "test")
            ]
        yield rows, curves


def store(count: int, folder: Path) -> Callable[[], object]:
    """Append parts as they come, as a sweep does; the time to make them up is not counted."""
    from studies.store.store import Store

    target, seconds = Store(folder), 0.0
    target.write_study("name: scaling\n")

    def timed() -> float:
        nonlocal seconds
        with target.driving():
            for rows, curves in _parts(count):
                started = time.perf_counter()
                target.append(rows, curves)
                seconds += time.perf_counter() - started
        return seconds

    return timed


def ids(count: int, folder: Path) -> Callable[[], object]:
    """Read which trials are stored, as a study that goes on does."""
    from studies.store.store import Store

    return Store(folder).trial_ids


def load(count: int, folder: Path) -> Callable[[], object]:
    """Read the rows."""
    import studies

    read = studies.load
    return lambda: read(folder)


def curves(count: int, folder: Path) -> Callable[[], object]:
    """Read the learning curves."""
    import studies

    read = studies.load_curves
    return lambda: read(folder)


def pack(count: int, folder: Path) -> Callable[[], object]:
    """Train a pack of ``count`` learning rates."""
    from dataclasses import replace

    import torch

    from robustness.optimizers import hyperparameters
    from robustness.tasks import load
    from robustness.training import Schedule, TrialSettings, keep_freed_memory
    from robustness.training.packs.trainer import PackTrainer

    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    trainer = PackTrainer(load("digits-mlp"), compile=True)
    common = {"weight_decay": 1e-4, **hyperparameters("adamw")}
    trials = [
        TrialSettings(
            "adamw", {"lr": 1e-3 * 1.01**index, **common}, epochs=EPOCHS, schedule=Schedule("cosine")
        )
        for index in range(count)
    ]
    trainer.train([replace(trial, epochs=1) for trial in trials])  # compiles
    return lambda: trainer.train(trials)


POINTS = {function.__name__: function for function in (plan, store, ids, load, curves, pack)}


def peak() -> float:
    """Return the most memory that this process ever held, in MB."""
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    )


def measure_here(name: str, count: int, folder: Path) -> None:
    """Prepare a point, run it, and print its time and memory."""
    timed = POINTS[name](count, folder)
    before = peak()
    started = time.perf_counter()
    returned = timed()
    seconds = time.perf_counter() - started
    if isinstance(returned, float):  # it took the time itself
        seconds = returned
    print(json.dumps({"seconds": seconds, "MB": peak(), "MB more": peak() - before}))


def measure(name: str, count: int, folder: Path) -> dict[str, float]:
    """Measure a point in a fresh process."""
    command = [sys.executable, __file__, "--point", name, str(count), str(folder / str(count))]
    caches = {"TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
    done = subprocess.run(
        command, env={**os.environ, **caches}, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def rows(groups: list[str], most: int, rounds: int) -> list[dict[str, Any]]:
    """Run all points, round after round, and return a row of medians for each."""
    points = [
        (name, count)
        for group in groups
        for count in (PACK_SIZES if group == "packs" else [size for size in SIZES if size <= most])
        for name in GROUPS[group]
    ]
    results: dict[tuple[str, int], list[dict[str, float]]] = {point: [] for point in points}
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            for name, count in points:
                results[name, count].append(measure(name, count, Path(folder)))
                print(f"round {number + 1}: {name} {count}: {results[name, count][-1]}", file=sys.stderr)
    table = []
    for name, count in sorted(points, key=lambda point: (list(WHAT).index(point[0]), point[1])):
        repeated = results[name, count]
        middle = {key: statistics.median(result[key] for result in repeated) for key in repeated[0]}
        each = 1e3 * middle["seconds"] / count
        table.append({"what": WHAT[name], "trials": count, **middle, "ms a trial": each})
    return table


def main() -> None:
    """Read the command line, measure, print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--most", type=int, default=SIZES[-1], help="the most trials of a study")
    parser.add_argument("--only", default=",".join(GROUPS), help="some of planning,storage,packs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--point", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.point:
        name, count, folder = arguments.point
        measure_here(name, int(count), Path(folder))
        return
    groups = arguments.only.split(",")
    if unknown := set(groups) - set(GROUPS):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}")
    table = rows(groups, arguments.most, arguments.rounds)
    from measure import report  # only now: a process's ru_maxrss begins with that of the one that started it

    report(f"Scaling, median of {arguments.rounds} rounds", table, arguments.json)


if __name__ == "__main__":
    main()
