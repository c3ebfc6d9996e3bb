"""SIGKILL the driver of a suite ten times at random moments: its tables and report are an undisturbed run's."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

from harness import Run, difference, main, orphans, stored, wait_for, workplace

SUITE = """
name: faults
seeds: 2
budget: {epochs: 6, batch_size: 64}
grid: {lr: [1.0e-3, 3.0e-3, 1.0e-2, 3.0e-2, 0.1], weight_decay: [0, 1.0e-2]}
optimizers: {adamw: {}, sgd: {momentum: 0.9}}
workloads:
- {name: digits, task: digits-mlp}
- {name: short, task: digits-mlp, budget: {epochs: 3}, optimizers: {sgd: {lr: [0.03, 0.1, 0.3]}}}
- {name: logistic, task: digits-logistic, grid: {weight_decay: [0]}}
"""
WORKLOADS = ("digits", "short", "logistic")
TRIALS = 20 * 2 + 16 * 2 + 10 * 2
KILLS = 10
ARGUMENTS = ("--workers", "0", "--engine", "sequential")


def attempt(suite: Path, out: Path, undisturbed: Path, random: random.Random) -> tuple[bool, str]:
    """Kill the driver ten times, each when a few more trials are stored or at its start; then run to the end."""
    kept = [0]
    for number in range(KILLS):
        run = Run(suite, out, *ARGUMENTS)
        wanted = random.randrange(TRIALS * number // KILLS, TRIALS * (number + 1) // KILLS + 1)
        wait_for(lambda run=run, wanted=wanted: run.process.poll() is not None or stored(out) >= wanted)
        time.sleep(random.uniform(0, 0.5 if wanted else 8))
        run.kill()
        kept.append(stored(out))
    code, output = Run(suite, out, *ARGUMENTS).finish()
    if code:
        return False, f"exit code {code}: {output[-300:]}"
    wrong = [difference(out / name, undisturbed / name) for name in WORKLOADS]
    wrong += [
        None if (out / name).read_bytes() == (undisturbed / name).read_bytes() else f"{name} differs"
        for name in ("summary.csv", "tables/metrics.csv", "study.yaml")
    ]
    found = "; ".join(filter(None, wrong))
    return not found, f"trials stored when killed: {kept[1:]}; {found or 'same tables, same report'}"


def attempts(tries: int, random: random.Random) -> Iterator[tuple[bool, str]]:
    """Yield how each attempt came out."""
    with workplace(SUITE) as (folder, suite):
        code, output = (first := Run(suite, folder / "undisturbed", *ARGUMENTS)).finish()
        if code:
            raise SystemExit(f"the undisturbed run failed:\n{output}")
        for number in range(tries):
            yield attempt(suite, folder / f"try{number}", folder / "undisturbed", random)
        yield orphans([first])


if __name__ == "__main__":
    main(__doc__ or "", 1, attempts)
