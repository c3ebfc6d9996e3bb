"""Choosing how to train: many trials as one pack, or one model at a time, by a short measurement.

A pack of small networks trains several times faster than its trials one by one. A network whose single step
already fills the machine does not, and some models cannot be trained as a pack at all (random operations such
as dropout, control flow that looks at values). So both ways are tried for a few steps on the task at hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from robustness import __version__
from robustness.optimizers import RULES
from robustness.tasks import Task
from robustness.training.compiling import synchronize
from robustness.training.pack import Block, PackTrainer
from robustness.training.process import one_thread
from robustness.training.settings import TrialSettings
from robustness.training.trial import Trainer

ENGINES = ("auto", "fused", "sequential")
SIZES = {"cpu": (8, 16, 32, 64), "cuda": (16, 64, 256, 1024)}
MEASURED_STEPS = 6
# A larger pack must be this much faster to be preferred: smaller ones are shared out more evenly.
WORTHWHILE = 1.05
# What compiling costs once in each worker, and the share of an eager step that it saves (digits-mlp, 2 cores).
COMPILE_SECONDS = 25.0
COMPILE_SAVES = 0.4
# Parameters, gradients, states and what a step needs for a moment, in copies of a model.
COPIES = 16
MEMORY_SHARE = 0.25


@dataclass(frozen=True)
class Engine:
    """How trials are trained.

    Attributes:
        name: ``fused`` or ``sequential``.
        pack_size: The most trials to train at once.
        step_seconds: Measured time of one training step of one model, evaluations left out.
        other_seconds: The same for the engine that was not chosen; None where it was not tried.
    """

    name: str
    pack_size: int
    step_seconds: float
    other_seconds: float | None = None

    def compile_pays(self, model_steps: int, workers: int) -> bool:
        """Return whether a study of so many steps, all models together, repays compiling."""
        ahead = model_steps / max(workers, 1) * self.step_seconds
        return self.name == "fused" and ahead * COMPILE_SAVES > COMPILE_SECONDS


def choose(task: Task, trials: Sequence[TrialSettings], device: str, wanted: str = "auto") -> Engine:
    """Return the faster engine for ``task`` on ``device``, measured with the first of ``trials``.

    The measurement takes a second or two and is kept in the user's cache folder.

    Args:
        task: What is trained.
        trials: What the study holds; none gives the sequential engine.
        device: ``cpu`` or ``cuda``.
        wanted: One of ``ENGINES``; ``fused`` and ``sequential`` leave only the pack's size to be measured.

    Raises:
        ValueError: If ``wanted`` is not one of ``ENGINES``, or ``fused`` is wanted and cannot be had.
    """
    if wanted not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, but got {wanted!r}")
    if not trials:
        return Engine("sequential", 1, 0.0)
    path = _cache_path(task, trials[0], device, wanted)
    engine = _read(path)
    if engine is None:
        with one_thread():
            engine = _measure(task, trials[0], device, wanted)
        _write(path, engine)
    return engine


def _measure(task: Task, settings: TrialSettings, device: str, wanted: str) -> Engine:
    try:
        alone = _sequential_seconds(task, settings, device)
    except Exception:  # a task's own code may raise anything; then every trial is to say so for itself
        return Engine("sequential", 1, 0.0)
    if wanted == "sequential":
        return Engine("sequential", 1, alone)
    try:
        size, together = _fused_seconds(task, settings, device)
    except (
        Exception
    ) as error:  # models may refuse to be trained as a pack in as many ways as there are models
        if wanted == "fused":
            raise ValueError(f"{task.name} cannot be trained by the fused engine: {error}") from error
        return Engine("sequential", 1, alone)
    if wanted == "fused" or together < alone:
        return Engine("fused", size, together, alone)
    return Engine("sequential", 1, alone, together)


def _sequential_seconds(task: Task, settings: TrialSettings, device: str) -> float:
    task = task.to(device)
    trainer = Trainer(task, settings, device, torch.float32)
    inputs, targets = _batch(task, settings)
    return _best_seconds(lambda: trainer.train_step(inputs, targets), device)


def _batch(task: Task, settings: TrialSettings) -> tuple[Tensor, Tensor]:
    return task.train.inputs[: settings.batch_size], task.train.targets[: settings.batch_size]


def _fused_seconds(task: Task, settings: TrialSettings, device: str) -> tuple[int, float]:
    """Return the best pack size and the time of one step of one of its models."""
    if settings.optimizer not in RULES:
        raise ValueError(f"{settings.optimizer} has no rule")
    trainer = PackTrainer(task, device=device)
    best_size, best = 0, float("inf")
    for size in SIZES[device]:
        if best_size and size * sum(trainer.models.sizes) * 4 * COPIES > _memory(device) * MEMORY_SHARE:
            break
        rates = [settings.hyperparameters["lr"] * (1 + 1e-3 * row) for row in range(size)]
        rows = [replace(settings, hyperparameters={**settings.hyperparameters, "lr": rate}) for rate in rates]
        seconds = _block_seconds(Block(trainer, rows), _batch(trainer.task, settings), device) / size
        if seconds * WORTHWHILE < best:
            best_size, best = size, seconds
        elif seconds > 2 * best:
            break
    return best_size, best


def _block_seconds(block: Block, batch: tuple[Tensor, Tensor], device: str) -> float:
    scalars = block.scalars(0)[0]
    return _best_seconds(lambda: block.train_step(*batch, True, scalars), device)


def _best_seconds(step: Callable[[], object], device: str) -> float:
    """Return the shortest of a few steps; at least two, and no more than about a second of them."""
    best, begun = float("inf"), time.perf_counter()
    for count in range(MEASURED_STEPS):
        if count >= 2 and time.perf_counter() - begun > 1:
            break
        synchronize(device)
        started = time.perf_counter()
        step()
        synchronize(device)
        best = min(best, time.perf_counter() - started)
    return best


def _memory(device: str) -> int:
    """Return the bytes of memory that are free on ``device``."""
    if device == "cuda":
        return torch.cuda.mem_get_info()[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cache_path(task: Task, settings: TrialSettings, device: str, wanted: str) -> Path:
    machine = torch.cuda.get_device_name() if device == "cuda" else f"{platform.processor()} {os.cpu_count()}"
    identity = [task.name, task.version, repr(task.options), settings.optimizer, settings.batch_size, wanted]
    identity += [machine, torch.__version__, __version__, _code(task)]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "robustness" / "engines" / f"{digest}.json"


def _code(task: Task) -> str:
    """Return what tells one state of a user's own task from another."""
    module = sys.modules.get(task.name.partition(":")[0]) if ":" in task.name else None
    source = getattr(module, "__file__", None)
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""


def _read(path: Path) -> Engine | None:
    try:
        return Engine(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: Path, engine: Engine) -> None:
    """Keep a measurement; a folder that cannot be written to only means that it is measured again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(asdict(engine)))
        temporary.replace(path)
    except OSError:
        return
