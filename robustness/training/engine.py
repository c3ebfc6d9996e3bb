"""The choice of how to train: many trials as one pack, or one model at a time, by a short measurement.

A pack of small networks trains several times faster than its trials one by one. A network whose single step
already fills the machine does not, and some models cannot be trained as a pack at all (random operations such
as dropout, control flow that depends on values, state of Python). So each way is tried for a few steps of the task
itself. Packs are used only if a few of their steps give the numbers of single models. They are compiled where the
work ahead is long enough to repay it: this is decided by the number of trials and by what was measured, never by
what lies compiled on disk, so that the same study is trained in the same way each time. A measurement is kept in the
user's cache folder for the same task, model, code, machine and versions.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from robustness.optimizers import code_of, rule_of
from robustness.optimizers.fast.compiling import compiler_found
from robustness.tasks import BaseTask, Task
from robustness.tasks.splits.generators import generators_kept
from robustness.training.checks.packable import check_packable
from robustness.training.graphs.identity import task_identity
from robustness.training.kept import keep, kept_path, read_kept
from robustness.training.packs.context import MOST_COMPILED, SLAB, PackContext
from robustness.training.process import keep_freed_memory, one_thread
from robustness.training.settings import TrialSettings
from robustness.training.timing import pack_seconds, sequential_seconds

ENGINES = ("auto", "fused", "sequential")
SIZES = {"cpu": (8, 16, 32, 64), "cuda": (16, 64, 256, 1024)}
# A larger pack must be faster by this factor to be preferred: smaller ones are shared among workers more evenly.
WORTHWHILE = 1.05
# A pack slower than single models by this factor is not tried at larger sizes.
HOPELESS = 1.5
# A step of a single model that takes so many seconds on a CPU is at the machine's limit: no pack is tried.
FILLS_A_CORE = 0.03
# Compiling pays where each worker has at least so many seconds of uncompiled training ahead: it takes about 10 of one
# core, most of them while Ray starts (2 cores).
LONG = 10.0
# A compiled pack takes this share of the time of one that is not, as long as it has not been measured: on 2 cores of
# an Intel Xeon, digits-mlp 0.40.
COMPILED_SHARE = 0.4
# Turns of workers are so many at least, and of so many blocks at most: results come often, turns cost little.
FEWEST_TURNS, MOST_BLOCKS = 32, 8
# Memory of parameters, gradients, states and temporaries, in copies of a model; activations come on top.
COPIES = 16
MEMORY_SHARE = 0.25
ONE_AT_A_TIME = "a training function trains one model at a time"
FROM_LOADER = "the data come from a DataLoader"


@dataclass(frozen=True)
class Engine:
    """How trials are trained.

    Attributes:
        name: ``fused`` or ``sequential``.
        pack_size: The most trials to train at once.
        compile: Whether to compile what a pack computes.
        measured: Seconds of one training step of one model, with its share of the evaluations, for each way
            that was tried.
        reason: Why packs were not measured, if they were not.
    """

    name: str
    pack_size: int
    compile: bool
    measured: dict[str, float]
    reason: str | None = None

    @property
    def rows(self) -> int:
        """How many trials take as long as one: a compiled graph has so many rows, whether or not they are filled."""
        return SLAB if self.compile else 1

    @property
    def step_seconds(self) -> float | None:
        """Seconds of a training step of one model, its share of the evaluations with it, as far as is known."""
        if not self.compile:
            return self.measured.get(self.name)
        return self.measured.get("compiled", COMPILED_SHARE * self.measured["fused"])


def choose(
    task: BaseTask, trials: Sequence[TrialSettings], device: str, wanted: str = "auto", workers: int = 1
) -> Engine:
    """Return the fastest engine for ``task`` on ``device``, measured with one of ``trials``.

    The measurement takes a second or two (ten more where only a compiled pack may be faster than single models) and
    is kept in the user's cache folder.

    Args:
        task: What is trained.
        trials: All trials ahead; without any, the engine is sequential.
        device: ``cpu`` or ``cuda``.
        wanted: One of ``ENGINES``; ``fused`` and ``sequential`` are measured alone.
        workers: How many workers share the trials.

    Raises:
        ValueError: If ``wanted`` is not one of ``ENGINES``, or is ``fused`` and the task cannot be trained as a pack.
    """
    if wanted not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, but got {wanted!r}")
    if not isinstance(task, Task) or not task.in_memory:
        why = FROM_LOADER if isinstance(task, Task) else ONE_AT_A_TIME
        if wanted == "fused":
            raise ValueError(f"{task.name} cannot be trained by the fused engine: {why}")
        return Engine("sequential", 1, False, {}, f"no packs: {why}")
    if not trials:
        return Engine("sequential", 1, False, {})
    ruled = {name for name in {settings.optimizer for settings in trials} if rule_of(name) is not None}
    typical = next((settings for settings in trials if settings.optimizer in ruled), trials[0])
    steps = len(trials) * task.steps(typical.epochs, typical.batch_size) / max(workers, 1)
    path = _cache_path(task, typical, device, wanted)
    measured, reason = _read(path)
    with one_thread(), generators_kept(device):
        if not measured:
            measured, reason = _measure(task, typical, device, wanted, steps)
        if "fused" in measured and "pack_size" not in measured and not _long(measured, steps, device):
            measured["pack_size"] = _best_pack(task, typical, device, measured.get("sequential"))[0]
        if _compiling_in_doubt(measured, steps, device):
            measured["compiled"] = pack_seconds(task, typical, device, MOST_COMPILED, compile=True)
    _write(path, measured, reason)
    return _fastest(measured, steps, reason, len(trials), device)


def _measure(
    task: Task, settings: TrialSettings, device: str, wanted: str, steps: float
) -> tuple[dict[str, float], str | None]:
    """Return the seconds of a step of one model for each way, with the best pack size, and why there are no packs."""
    if device == "cpu":
        keep_freed_memory()
    measured: dict[str, float] = {}
    reason = None
    if wanted != "fused":
        try:
            measured["sequential"] = alone = sequential_seconds(task, settings, device)
        except Exception:  # a task's own code may raise anything; then each trial reports it for itself
            return {"sequential": 0.0}, None
        if wanted == "auto" and device == "cpu" and alone > FILLS_A_CORE:
            return measured, f"no packs: a step of one model takes {1e3 * alone:.0f} ms, which fills a core"
    if wanted != "sequential":
        try:
            with warnings.catch_warnings():  # whether something is slow as a pack is what is measured here
                warnings.filterwarnings("ignore", message="There is a performance drop")
                if rule_of(settings.optimizer) is None:
                    raise ValueError(f"{settings.optimizer} has no rule")
                check_packable(task, settings, device)
                measured |= _fused_seconds(task, settings, device, measured.get("sequential"), steps)
        except (
            Exception
        ) as error:  # models may refuse to be trained as a pack in as many ways as there are models
            if wanted == "fused":
                raise ValueError(f"{task.name} cannot be trained by the fused engine: {error}") from error
            reason = f"no packs: {str(error).strip().partition(chr(10))[0]}"
    return measured, reason


def _compiling_in_doubt(measured: dict[str, float], steps: float, device: str) -> bool:
    """Return whether a compiled pack is to be measured: the work is long, and single models are as fast as packs."""
    if "compiled" in measured or not _long(measured, steps, device):
        return False
    return measured.get("sequential", math.inf) < measured["fused"] < HOPELESS * measured["sequential"]


def _long(measured: dict[str, float], steps: float, device: str) -> bool:
    """Return whether there is so much to train as packs that compiling may pay."""
    if "fused" not in measured or not compiler_found(device):
        return False
    return steps * min(measured["fused"], measured.get("sequential", math.inf)) > LONG


def _fastest(
    measured: dict[str, float], steps: float, reason: str | None, trials: int, device: str
) -> Engine:
    names = ("sequential", "fused", "compiled")
    ways: dict[str, float] = {name: measured[name] for name in names if name in measured}
    long = _long(measured, steps, device)
    if not long and len(ways) > 1:
        ways.pop("compiled", None)  # measured for a longer study
    best = min(ways, key=ways.__getitem__)
    if best == "sequential":
        return Engine("sequential", 1, False, ways, reason)
    if not long:
        return Engine("fused", int(measured["pack_size"]), False, ways)
    if device != "cpu":
        return Engine("fused", int(measured["pack_size"]), True, ways)
    several = max(1, min(MOST_BLOCKS, trials // (FEWEST_TURNS * MOST_COMPILED)))
    return Engine("fused", several * MOST_COMPILED, True, ways)


def _fused_seconds(
    task: Task, settings: TrialSettings, device: str, alone: float | None, steps: float
) -> dict[str, float]:
    """Return the time of one step of a model in the best pack, and its size unless compiled graphs decide it."""
    if device == "cpu" and alone is not None and _long({"fused": alone}, steps, device):
        seconds = pack_seconds(task, settings, device, MOST_COMPILED)
        if seconds <= alone and _long({"fused": seconds}, steps, device):
            return {"fused": seconds}
    size, seconds = _best_pack(task, settings, device, alone)
    return {"fused": seconds, "pack_size": float(size)}


def _best_pack(task: Task, settings: TrialSettings, device: str, alone: float | None) -> tuple[int, float]:
    """Return the best pack size and the time of one step of one of its models."""
    best_size, best = 0, float("inf")
    weights = sum(PackContext(task).models.sizes)
    for size in SIZES[device]:
        if best_size and size * weights * 4 * COPIES > _memory(device) * MEMORY_SHARE:
            break
        seconds = pack_seconds(task, settings, device, size)
        if seconds * WORTHWHILE < best:
            best_size, best = size, seconds
        if alone is not None and seconds > HOPELESS * alone:
            break
    return best_size, best


def _memory(device: str) -> int:
    """Return the bytes of memory that are free on ``device``."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cache_path(task: Task, settings: TrialSettings, device: str, wanted: str) -> Path:
    identity = [*task_identity(task, device), settings.optimizer, code_of(settings.optimizer)]
    return kept_path("engines", [*identity, settings.batch_size, repr(settings.training), wanted])


def _read(path: Path) -> tuple[dict[str, float], str | None]:
    """Return a measurement that was kept, and why packs are not in it; empty if there is none."""
    kept = read_kept(path)
    reason = kept.pop("reason", None)
    try:
        return {str(name): float(value) for name, value in kept.items()}, reason
    except (ValueError, TypeError):
        return {}, None


def _write(path: Path, measured: dict[str, float], reason: str | None) -> None:
    keep(path, {**measured, **({"reason": reason} if reason else {})})
