"""What decides how a task is computed on this machine: the key of whatever is measured or compiled for it."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

import robustness
from robustness.tasks import Task
from robustness.training.randomness import initialized_model

# Layers that say all of their settings.
_TOLD = (
    nn.Sequential,
    nn.Linear,
    nn.ReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.Flatten,
    nn.Unflatten,
    nn.Conv2d,
    nn.MaxPool2d,
)


def task_identity(task: Task, device: str) -> list[Any]:
    """Return, as values of JSON, the task, its model, their code, the machine and the versions."""
    machine = torch.cuda.get_device_name() if device == "cuda" else [processor(), os.cpu_count()]
    named = [task.name, task.version, repr(task.options), task.code, _source(task.name.partition(":")[0])]
    return [*named, machine, torch.__version__, robustness.__version__, _own_source(), _model(task)]


def tells_all(task: Task) -> bool:
    """Return whether the identity of a task says all of how it computes.

    It does where the loss is a function of torch or of this project, and the model is made of layers whose text
    has all of their settings. A closure, a ``partial`` or a class of a user's own may hold numbers that it has not.
    """
    try:
        modules = list(initialized_model(task, 0).modules())
    except Exception:  # a task's own code may raise anything; then each trial reports it for itself
        return False
    plain = all(type(module) in _TOLD and "forward" not in vars(module) for module in modules)
    return plain and all(_is_known(one) for one in (task.loss, task.correct) if one is not None)


def _is_known(function: Any) -> bool:
    home = sys.modules.get(getattr(function, "__module__", ""))
    name = getattr(function, "__qualname__", "")
    known = home is not None and home.__name__.partition(".")[0] in ("torch", "robustness")
    return known and getattr(home, name, None) is function


@cache
def processor() -> str:
    """Return the processor's model; on Linux ``platform`` does not know it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


@cache
def _own_source() -> str:
    """Return a digest of what of this project computes: what was compiled by other code is not to be used."""
    home = Path(robustness.__file__).parent
    files = sorted(
        path for room in ("optimizers", "tasks", "training") for path in (home / room).rglob("*.py")
    )
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def _source(name: str) -> str:
    """Return a digest of the file of a module that is imported; empty without one."""
    source = getattr(sys.modules.get(name), "__file__", None)
    return hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else ""


def _model(task: Task) -> list[Any]:
    """Return what the task's model is: its text, its parameters, whether they are frozen, and its classes' code."""
    try:
        model = initialized_model(task, 0)
    except Exception:  # a task's own code may raise anything; then each trial reports it for itself
        return []
    parameters = [(name, tuple(p.shape), p.requires_grad) for name, p in model.named_parameters()]
    homes = {type(module).__module__ for module in model.modules()}
    own = sorted(home for home in homes if home.partition(".")[0] not in ("torch", "torchvision"))
    return [repr(model), parameters, [_source(home) for home in own]]
