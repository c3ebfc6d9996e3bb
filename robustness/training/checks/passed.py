"""Preflights that were passed on this machine: the same one is not made again.

What decides whether one passes is its key: task, model, code, machine and versions, the optimizers with their
settings, and of the data what it looks at: the first examples, and the targets, which a metric may see as a whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robustness.optimizers import code_of
from robustness.tasks import Task
from robustness.tasks.splits.examples import tensors_of
from robustness.training.checks.preflight import EXAMPLES, preflight
from robustness.training.graphs.identity import task_identity
from robustness.training.kept import keep, kept_path, read_kept
from robustness.training.settings import TrialSettings

FOLDER = "preflights"


def preflight_once(task: Task, trials: Mapping[str, TrialSettings], device: str = "cpu") -> None:
    """Make the ``preflight``, unless the same one was passed before; data from a DataLoader are always looked at.

    Args:
        task: As for ``preflight``.
        trials: As for ``preflight``.
        device: As for ``preflight``.

    Raises:
        TaskUnfitError: As ``preflight``.
        OptimizerUnfitError: As ``preflight``.
    """
    path = kept_path(FOLDER, _identity(task, trials, device)) if task.in_memory else None
    if path is not None and read_kept(path):
        return
    complete = preflight(task, trials, device)
    if path is not None and complete:
        keep(path, {"passed": True})


def _identity(task: Task, trials: Mapping[str, TrialSettings], device: str) -> list[Any]:
    optimizers = [
        [label, repr(settings), code_of(settings.optimizer)] for label, settings in sorted(trials.items())
    ]
    return [*task_identity(task, device), optimizers, [_digest(split) for split in task.splits.values()]]


def _digest(split: Any) -> list[Any]:
    inputs, _ = split.first(EXAMPLES).whole()
    digest = hashlib.sha256()
    for tensor in (*tensors_of(inputs), split.targets):
        digest.update(_bytes(tensor))
    return [len(split), [[str(t.dtype), list(t.shape)] for t in tensors_of(inputs)], digest.hexdigest()]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
