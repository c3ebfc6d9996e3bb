"""Tasks that raise, hang, return NaN, leak memory or end their process: each is recorded, all others complete."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from harness import Run, main, orphans, workplace

import studies

TASK = '''
"""A linear model that misbehaves once its outputs are large, as a large learning rate makes them."""

import os
import time

import torch

from robustness.tasks import Split, Task

kept = []


def model():
    return torch.nn.Linear(2, 2)


def raises(loss):
    raise RuntimeError("too large")


def hangs(loss):
    time.sleep(3600)


def nan(loss):
    return loss * float("nan")


def leaks(loss):
    while True:
        kept.append(bytearray(50_000_000))
        time.sleep(0.02)


def dies(loss):
    os._exit(3)


def task(kind: str) -> Task:
    misbehave = globals()[kind]

    def loss(outputs, targets):
        value = torch.nn.functional.cross_entropy(outputs, targets)
        return misbehave(value) if outputs.detach().abs().max() > 1e3 else value

    y = torch.arange(120) % 2
    x = torch.randn(120, 2, generator=torch.Generator().manual_seed(0)) + 4.0 * y[:, None]
    train, val, test = (Split(x[i::3], y[i::3]) for i in range(3))
    return Task("faulty", train, val, test, model, loss)
'''
STUDY = """
name: bad
task: {name: "faulty:task", kind: KIND}
budget: {epochs: 3, batch_size: 10, time_limit: 5}
seeds: 3
grid: {lr: [0.01, 0.1, 1.0e+6], weight_decay: [0]}
optimizers: {sgd: {}}
resources: {memory: 2_000_000_000}
"""
# The status that a bad trial must have, and how its reason must begin.
EXPECTED = {
    "raises": ("failed", "RuntimeError: too large"),
    "hangs": ("failed", "time limit: not finished after 5 s"),
    "nan": ("diverged", "non-finite loss"),
    "leaks": ("failed", "memory: its worker held"),
    "dies": ("failed", "its worker died each time"),
}


def attempts(tries: int, random: random.Random) -> Iterator[tuple[bool, str]]:
    """Yield whether each kind of bad task was handled as expected, ``tries`` times, and a line about it."""
    with workplace() as (folder, _):
        (folder / "faulty.py").write_text(TASK)
        for number in range(tries):
            for kind in EXPECTED:
                yield attempt(folder, kind, folder / f"{kind}{number}")


def attempt(folder: Path, kind: str, out: Path) -> tuple[bool, str]:
    """Run the study of one kind of bad task and check every row."""
    study = folder / f"{kind}.yaml"
    study.write_text(STUDY.replace("KIND", kind))
    run = Run(study, out, "--workers", "2", "--engine", "sequential")
    code, _ = run.finish()
    ended, left = orphans([run])
    status, reason = EXPECTED[kind]
    rows = studies.load(out)
    bad, good = rows[rows["lr"] == 1e6], rows[rows["lr"] < 1]
    right = len(bad) == 3 and (bad["status"] == status).all() and bad["reason"].str.startswith(reason).all()
    right = right and len(good) == 6 and (good["status"] == "completed").all() and ended
    right = right and code == (1 if status == "failed" else 0)
    reasons = "; ".join(sorted(set(bad["reason"].dropna())))
    done = (good["status"] == "completed").sum()
    line = f"{kind}: exit code {code}, {done} of 6 good trials completed, bad ones: {reasons}; {left}"
    return bool(right), line


if __name__ == "__main__":
    main(__doc__ or "", 1, attempts)
