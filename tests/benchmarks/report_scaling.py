"""How long the report of a large study takes, how much memory it needs, and how soon its page is painted.

    python tests/benchmarks/report_scaling.py [--trials 100000] [--epochs 20] [--json FILE]

A synthetic study, stored as a sweep stores it: 10 labels, 20 learning rates, 10 weight decays, 10 gradient scales and
as many seeds as make up the trials; a twentieth diverged; learning curves of three splits, different for every trial.
`robustness report` then runs in a process of its own. First paint is Chromium's, from disk, if it is installed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from measure import machine

from studies.planning.known_task import KnownTask
from studies.planning.trials import expand
from studies.spec.study import StudySpec
from studies.store.schema import CURVE_SCHEMA, ROW_SCHEMA
from studies.store.store import Store
from studies.store.task_file import read_task, write_task

MIXINGS = [round(0.1 * step, 1) for step in range(8)]
STUDY = """
name: large
task: digits-mlp
budget: {{epochs: {epochs}, batch_size: 64}}
seeds: {seeds}
grid:
  lr: {{decades: 4, points: 20}}
  weight_decay: [0, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1]
  grad_scale: [1e-4, 1e-3, 1e-2, 0.1, 1, 10, 1e+2, 1e+3, 1e+4, 1e+5]
optimizers:
  sgd: {{lr: 0.1, momentum: 0.9}}
  adamw: {{lr: 1e-2}}
  ada2ms: {{lr: 1e-2, mixing: {mixings}}}
verdict: {{candidate: "ada2ms(mixing=0.5)"}}
"""


def store_study(folder: Path, trials: int, epochs: int) -> int:
    """Store the study; return how many trials it has."""
    text = STUDY.format(epochs=epochs, seeds=max(2, round(trials / 20_000)), mixings=MIXINGS)
    spec = StudySpec.from_text(text, source="study.yaml")
    store = Store(folder)
    store.write_study(spec.to_yaml())
    task = spec.load_task()
    write_task(store, KnownTask.of(task, spec.budget))
    planned = expand(spec, read_task(store, spec) or KnownTask.of(task, spec.budget))
    rng = np.random.default_rng(0)
    with store.driving():
        for start in range(0, len(planned), 20_000):
            part = planned[start : start + 20_000]
            store.append(*_finished(part, epochs, rng))
    return len(planned)


def _finished(trials, epochs, rng):
    """Return rows and curves: a parabola in log lr, and noise."""
    fields = pd.DataFrame(
        [{**trial.settings.hyperparameters, "grad_scale": trial.settings.grad_scale} for trial in trials]
    )
    error = 0.05 + 0.03 * np.log10(fields["lr"] / 0.03).to_numpy() ** 2 + rng.normal(0, 0.005, len(trials))
    error = np.clip(error, 0.01, 0.9)
    lost = rng.random(len(trials)) < 0.05
    rows = []
    for index, trial in enumerate(trials):
        row = {
            "trial_id": trial.trial_id, "study": trial.study, "task": trial.task.name, "label": trial.label,
            "optimizer": trial.settings.optimizer, "grad_scale": trial.settings.grad_scale, "role": trial.role,
            "seed": trial.settings.seed, "epochs": epochs, "batch_size": 64, "schedule": "constant",
            "status": "diverged" if lost[index] else "completed", "chance_accuracy": 0.1, "init_loss": 2.3,
            "wall_seconds": 1.0, "device": "cpu", "pack_id": "p", "engine": "fused", "version": "0",
        }  # fmt: skip
        row |= {
            key: value for key, value in trial.settings.hyperparameters.items() if key in ROW_SCHEMA.names
        }
        for split in ("train", "val", "test"):
            row |= {f"{split}_accuracy": 1 - error[index], f"{split}_loss": 3 * error[index]}
        rows.append(row)
    count = len(trials) * epochs * 3
    curve = pa.table(
        {
            "trial_id": np.repeat([trial.trial_id for trial in trials], epochs * 3),
            "epoch": np.tile(np.repeat(np.arange(1, epochs + 1), 3), len(trials)),
            "split": np.tile(["train", "val", "test"], len(trials) * epochs),
            "loss": rng.lognormal(-1, 1, count),
            "accuracy": rng.random(count),
        },
        schema=CURVE_SCHEMA,
    )
    return rows, curve.to_pylist()


def first_paint(page: Path) -> dict[str, float] | None:
    """Return milliseconds to the first paint and to the surface, medians of three, in headless Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return None
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(3):
            window = browser.new_page()
            window.goto(page.as_uri(), wait_until="commit")
            window.wait_for_selector("html[data-ready]", timeout=120_000)
            script = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
            found.append((window.evaluate(script), window.evaluate("performance.now()")))
            window.close()
        browser.close()
    paint, surface = np.median(np.array(found), axis=0)
    return {"first paint ms": float(paint), "surface ms": float(surface)}


def main() -> None:
    """Store the study, report on it, open the page; print the figures, and write them as JSON where asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--keep", type=Path, help="store the study here, and use it if it is there")
    parser.add_argument("--json", type=Path, help="write the results here")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp())
    if not (folder / "study.yaml").exists():
        # in a process of its own: the peak of a process counts what its parent held when it began
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            stored = pool.submit(store_study, folder, options.trials, options.epochs).result()
        print(f"{stored:,} trials stored", flush=True)
    command = [sys.executable, "-m", "studies.cli", "report", str(folder)]
    started = time.perf_counter()
    _, failed, usage = os.wait4(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, 0)
    seconds = time.perf_counter() - started
    if failed:
        raise SystemExit("the report failed")
    page = folder / "report.html"
    found = {
        "report seconds": seconds, "report processor seconds": usage.ru_utime + usage.ru_stime,
        "peak bytes": usage.ru_maxrss * 1024, "page bytes": page.stat().st_size, **(first_paint(page) or {}),
        "machine": machine(),
    }  # fmt: skip
    print(json.dumps(found, indent=2))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
