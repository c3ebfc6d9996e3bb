"""What the fault scripts share: a small study, the command in a process of its own, and the comparison of tables."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

import studies
from studies.spec.errors import StoreError

ROOT = Path(__file__).resolve().parents[2]
# What a disturbance may change: times, and how trials came together.
INCIDENTAL = ["wall_seconds", "pack_id", "engine", "worker"]
TIMEOUT = 300.0

STUDY = """
name: faults
task: digits-mlp
budget: {epochs: 15, batch_size: 64}
seeds: 3
grid: {lr: [1.0e-3, 3.0e-3, 1.0e-2, 3.0e-2, 0.1], weight_decay: [0, 1.0e-2]}
optimizers: {adamw: {}, sgd: {momentum: 0.9}}
"""


class Run:
    """The command ``robustness run`` in a session of its own, by which every process that it starts can be found.

    Args:
        study: The study's file.
        out: The study's folder.
        arguments: Further arguments of the command.
    """

    def __init__(self, study: Path, out: Path, *arguments: str) -> None:
        self.out = out
        command = [sys.executable, "-m", "studies.cli", "run", str(study), "--out", str(out), *arguments]
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )

    def finish(self, timeout: float = TIMEOUT) -> tuple[int, str]:
        """Wait for the end and return exit code and output; kill what takes too long, which gives exit code -9."""
        try:
            output, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            for process in self.processes():
                kill(process)
            output, _ = self.process.communicate()
        return self.process.returncode, output

    def kill(self) -> None:
        """Kill the driver, and no other process."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]

    def processes(self, named: str = "") -> list[int]:
        """Return the living processes that the command started, those whose own command begins with ``named``."""
        living = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _session(entry) == self.process.pid:
                command = _read(entry / "cmdline")
                if command and command.startswith(named.encode()):
                    living.append(int(entry.name))
        return living

    def workers(self) -> list[int]:
        """Return the processes that train."""
        return self.processes("ray::ImplicitFunc")


def orphans(runs: Sequence[Run], seconds: float = 120.0) -> tuple[bool, str]:
    """Return whether all processes that ``runs`` started end within ``seconds``, and a line about it.

    Ray's agents take a while to notice that the process they serve was killed.
    """
    started = time.monotonic()
    while (left := [process for run in runs for process in run.processes()]) and (
        time.monotonic() - started < seconds
    ):
        time.sleep(0.5)
    return not left, f"{len(left)} processes left {time.monotonic() - started:.0f} s later"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _session(entry: Path) -> int:
    """Return the session of a process; what it starts stays in it."""
    fields = _read(entry / "stat").rpartition(b")")[2].split()
    return int(fields[3]) if fields else -1


def kill(process: int) -> None:
    """Kill a process, if it is still there."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def stored(out: Path) -> int:
    """Return how many trials are stored."""
    try:
        return len(studies.load(out))
    except StoreError:
        return 0


def wait_for(condition: Callable[[], object], timeout: float = TIMEOUT) -> bool:
    """Wait until ``condition`` is true; return whether it became so in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.25)
    return False


def tables(out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return rows and curves in a fixed order, without what a disturbance may change."""
    rows = studies.load(out).drop(columns=INCIDENTAL).sort_values("trial_id", ignore_index=True)
    return rows, studies.load_curves(out)


def difference(out: Path, undisturbed: Path) -> str | None:
    """Return how two studies' tables differ, or that a trial is stored twice; None if neither is the case."""
    parts = [pq.read_table(part, columns=["trial_id"]) for part in (out / "rows").glob("*.parquet")]
    ids = [trial for part in parts for trial in part["trial_id"].to_pylist()]
    if len(ids) != len(set(ids)):
        return f"{len(ids) - len(set(ids))} trials stored twice"
    try:
        for mine, others in zip(tables(out), tables(undisturbed), strict=True):
            pd.testing.assert_frame_equal(mine, others, check_exact=True)
    except AssertionError as error:
        return " ".join(str(error).split())
    return None


@contextmanager
def workplace(study: str = STUDY) -> Iterator[tuple[Path, Path]]:
    """Make a temporary folder; yield it and the study's file in it."""
    with tempfile.TemporaryDirectory(prefix="robustness-faults-") as folder:
        path = Path(folder) / "faults.yaml"
        path.write_text(study)
        yield Path(folder), path


def disturbed(
    attempt: Callable[[Path, Path, Path, random.Random, list[Run]], tuple[bool, str]],
    tries: int,
    random: random.Random,
) -> Iterator[tuple[bool, str]]:
    """Yield how each ``attempt`` came out against an undisturbed run, and at last whether processes are left.

    Args:
        attempt: Is given the study's file, a new folder, the undisturbed run's folder, ``random``, and a list to put
            its runs into.
        tries: How many attempts to make.
        random: What moments are drawn from.
    """
    with workplace() as (folder, study):
        code, output = Run(study, folder / "undisturbed", "--workers", "0", "--engine", "sequential").finish()
        if code:
            raise SystemExit(f"the undisturbed run failed:\n{output}")
        runs: list[Run] = []
        for number in range(tries):
            yield attempt(study, folder / f"try{number}", folder / "undisturbed", random, runs)
        yield orphans(runs)


def main(
    description: str, tries: int, attempts: Callable[[int, random.Random], Iterator[tuple[bool, str]]]
) -> None:
    """Run ``attempts``, print a line for each, and exit with 1 if one failed."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tries", type=int, default=tries)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    results = []
    for good, line in attempts(arguments.tries, random.Random(arguments.seed)):
        results.append(good)
        print(f"{len(results):3d} {'ok  ' if good else 'FAIL'} {line}", flush=True)
    print(f"{sum(results)} of {len(results)} ok")
    sys.exit(0 if all(results) else 1)
