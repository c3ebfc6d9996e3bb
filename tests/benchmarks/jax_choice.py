"""How many models JAX trains at once, in how many processes: whatever is fastest once running, found beforehand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workloads import options_of, write_data

HERE = Path(__file__).parent
CHUNKS = (1, 2, 4, 8, 16, 32, 64)
ROUNDS, LEAST, EPOCHS = (
    3,
    32,
    2,
)  # a rate is of so many chunks a process or trials at least, so many epochs long
GIVE_UP = 0.8  # larger chunks are not tried once one has less than this share of the best rate

INSTALL = (
    "v is left out, since there is no --jax-python; to have it: python -m venv DIR && "
    "DIR/bin/pip install -r tests/benchmarks/jax-requirements.txt, then --jax-python DIR/bin/python"
)


def rate(
    task: str, python: str, trials: Sequence[dict[str, Any]], way: dict[str, int], epochs: int, cores: int
) -> float:
    """Return the trials a second of all processes together, without start and compiling.

    Args:
        task: Its name.
        python: The interpreter of an environment with JAX.
        trials: Those of one seed, repeated as needed.
        way: ``chunk`` and ``processes``.
        epochs: Of every trial.
        cores: How many the processes have together.
    """
    count = way["processes"] * way["chunk"] * max(ROUNDS, 1 + LEAST // way["chunk"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = options_of(task, folder)
        write_data(task, options, folder)
        job = {"task": task, "options": options, "workers": cores, "folder": name, "jax": way}
        job |= {"trials": [trials[index % len(trials)] for index in range(count)], "epochs": epochs}
        (folder / "job.json").write_text(json.dumps(job))
        command = [python, HERE / "jax_contender.py", folder / "job.json", folder / "answer.json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            raise SystemExit(f"JAX: exit code {done.returncode}\n{done.stdout[-3000:]}")
        shares = json.loads((folder / "answer.json").read_text())["shares"]
    # of each process from its first chunk on, which waits for the compiler
    return sum((len(moments) - way["chunk"]) / (moments[-1] - moments[0]) for moments in shares)


def chosen(task: str, python: str, trials: list[dict[str, Any]]) -> dict[str, int]:
    """Return the fastest ``chunk`` and ``processes``: one process with all cores, or one with one thread a core."""
    one_seed = [trial for trial in trials if trial["seed"] == trials[0]["seed"]]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    rates: dict[tuple[int, int], float] = {}
    for processes in sorted({1, cores}):
        best = 0.0
        for chunk in CHUNKS:
            way = {"chunk": chunk, "processes": processes}
            found = rates[chunk, processes] = rate(task, python, one_seed, way, EPOCHS, cores)
            print(f"JAX, chunks of {chunk}, processes {processes}: {found:.4g} trials/s", file=sys.stderr)
            best = max(best, found)
            if found < GIVE_UP * best:
                break
    chunk, processes = max(rates, key=lambda way: rates[way])
    return {"chunk": chunk, "processes": processes}
