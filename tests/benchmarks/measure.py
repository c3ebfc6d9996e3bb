"""What the benchmarks share: the machine, interleaved timing, a table of medians.

Times of one process on a shared machine drift, so cases take turns: each runs once in a round, and every round starts
with another case. Medians over rounds are compared.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch


def machine() -> dict[str, Any]:
    """Return what a time depends on: processor, cores, threads, GPU if there is one, versions."""
    described = {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    return {key: value for key, value in described.items() if value is not None}


def interleaved(cases: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Run every case once per round and return its seconds, one for each of the ``rounds``.

    One more round before these is not timed: it compiles and warms caches.
    """
    names = list(cases)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-1, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            elapsed = _seconds(cases[name])
            if number >= 0:
                seconds[name].append(elapsed)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]], baseline: str) -> list[dict[str, Any]]:
    """Return a row per case: median and quartiles in ms, and the median as a multiple of ``baseline``'s."""
    rows = []
    base = statistics.median(seconds[baseline])
    for name, times in seconds.items():
        low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
        row = {"case": name, "median ms": 1e3 * middle, "q1 ms": 1e3 * low, "q3 ms": 1e3 * high}
        rows.append({**row, f"x {baseline}": middle / base, "n": len(times)})
    return rows


def report(title: str, rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print the rows, which share their keys, with the machine: as a table, or as one JSON object."""
    if as_json:
        print(json.dumps({"title": title, "machine": machine(), "rows": list(rows)}, indent=2))
        return
    print(title)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    table = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = zip(line, widths, strict=True)
        print("  ".join([f"{line[0]:<{widths[0]}}", *(f"{cell:>{w}}" for cell, w in list(cells)[1:])]))


def _seconds(case: Callable[[], Any]) -> float:
    _synchronize()
    started = time.perf_counter()
    case()
    _synchronize()
    return time.perf_counter() - started


def _synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
