"""Where a study's rows come from: ``provenance.json``, an entry per run, written when it begins and when it ends."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from robustness import __version__
from robustness.training import Engine, processor
from studies.planning.known_task import KnownTask
from studies.planning.workers import Workers
from studies.spec.errors import StoreError
from studies.spec.study import StudySpec
from studies.store.layout import PROVENANCE_FILE
from studies.store.store import Store

PACKAGES = ("torch", "torchvision", "ray", "optuna", "pandas", "numpy", "pyarrow", "scikit-learn")
GIT_SECONDS = 20


@dataclass
class Ending:
    """How a run ended, filled in by who runs it: ``outcome`` in words, and the command's exit code."""

    outcome: str = "completed"
    exit_code: int = 0


@contextmanager
def recorded(
    store: Store, spec: StudySpec, task: KnownTask, engine: Engine, workers: Workers
) -> Iterator[Ending]:
    """Record a run of a study in the study's folder, after the runs that are recorded there already.

    An entry has ``command``, ``start`` and ``end`` (UTC), ``outcome``, ``exit_code``, ``host``, ``study`` (the
    resolved study file), ``task``, ``workers``, ``engine``, ``versions``, ``git`` (of the project and of the
    study file's folder: commit, and whether files differ from it; null outside a checkout) and ``hardware``. A
    run that was killed has no ``end``.

    Raises:
        StoreError: If the folder's ``provenance.json`` is damaged.
    """
    runs = read_runs(store)
    entry: dict[str, Any] = {"command": command(), "start": _now(), "end": None, "outcome": "running"}
    entry |= {"exit_code": None, "host": socket.gethostname(), **_described(spec, task, engine, workers)}
    runs.append(entry)
    _write(store, runs)
    ending = Ending()
    try:
        yield ending
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        ending.outcome = "interrupted" if interrupted else f"{type(error).__name__}: {error}"
        ending.exit_code = 130 if interrupted else 1
        raise
    finally:
        entry |= {"end": _now(), **asdict(ending)}
        _write(store, runs)


def read_runs(store: Store) -> list[dict[str, Any]]:
    """Return the recorded runs of a study, the first one first.

    Raises:
        StoreError: If the record is damaged.
    """
    content = store.read_file(PROVENANCE_FILE)
    try:
        runs = [] if content is None else json.loads(content)["runs"]
        if isinstance(runs, list) and all(isinstance(run, dict) for run in runs):
            return runs
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise StoreError(f"{store.location}/{PROVENANCE_FILE}: is damaged: move it away to go on without it")


def command() -> list[str]:
    """Return this process's command line as one would give it: programs by their names, wherever they lie.

    A name and a password before the @ of an address are starred out.
    """
    words = [re.sub(r"(://)[^/@\s]+@", r"\1***@", word) for word in sys.orig_argv]
    if words[1:2] == sys.argv[:1] and not words[1].endswith(".py"):
        words = words[1:]  # an installed command, which names its own interpreter
    return [Path(words[0]).name, *words[1:]]


def hardware() -> dict[str, Any]:
    """Return processor, cores, bytes of memory and GPUs of this machine."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    return {"processor": processor(), "cores": os.cpu_count(), "memory_bytes": memory, "gpus": gpus}


def package_versions() -> dict[str, str | None]:
    """Return the versions of Python, of this project and of what its numbers depend on; None if not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version(), "ada2ms-robustness": __version__}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return versions


def git_state(folder: Path, file: str) -> dict[str, Any] | None:
    """Return the commit of the checkout that tracks ``file``, and whether it is dirty; None if there is none."""
    if _git(folder, "ls-files", "--error-unmatch", file) is None:
        return None
    commit, changed = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "-uno")
    return {"commit": commit, "dirty": None if changed is None else changed != ""}


def _git(folder: Path, *arguments: str) -> str | None:
    # a checkout's own settings may name programs that git runs: reading its state must run none of them
    quiet = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    try:
        done = subprocess.run(
            [*quiet, *arguments], cwd=folder, capture_output=True, text=True, timeout=GIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _described(spec: StudySpec, task: KnownTask, engine: Engine, workers: Workers) -> dict[str, Any]:
    project = Path(__file__).resolve().parent
    return {
        "study": spec.to_yaml(),
        "task": asdict(task),
        "workers": {
            "count": workers.count,
            "address": workers.address and "cluster",
            "device": workers.device,
        },
        "engine": asdict(engine),
        "versions": package_versions(),
        "git": {
            "project": git_state(project, Path(__file__).name),
            "study": git_state(spec.file.parent, spec.file.name) if spec.file else None,
        },
        "hardware": hardware(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(store: Store, runs: list[dict[str, Any]]) -> None:
    store.write_file(PROVENANCE_FILE, json.dumps({"runs": runs}, indent=1).encode())
