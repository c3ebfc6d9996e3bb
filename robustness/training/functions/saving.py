"""The objects that a training function names for its checkpoints: their states, taken and given back."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

# Objects of which it is known what their state holds: no optimizer or weights of another one.
_KNOWN = (
    nn.Module,
    torch.optim.Optimizer,
    torch.optim.lr_scheduler.LRScheduler,
    torch.Generator,
    torch.amp.GradScaler,
)
_PAIRS = (("state_dict", "load_state_dict"), ("get_state", "set_state"))


def problem(objects: Mapping[str, Any]) -> str | None:
    """Return why the objects cannot be saved; None where they can."""
    if not objects:
        return "calls run.checkpoint() with nothing to save: give it model=model, optimizer=optimizer"
    for name, value in objects.items():
        if _pair(value) is None:
            return (
                f"calls run.checkpoint({name}=…) with {reprlib.repr(value)}: must have state_dict and "
                "load_state_dict, or get_state and set_state"
            )
    return None


def left_out(objects: Mapping[str, Any], optimizers: Iterable[torch.optim.Optimizer]) -> str | None:
    """Return what a trial that goes on from these objects would begin anew, or None, also where it is not known."""
    named = list(objects.values())
    if not all(isinstance(one, _KNOWN) for one in named):
        return None
    modules = (one for one in named if isinstance(one, nn.Module))
    saved = {id(parameter) for module in modules for parameter in module.parameters()}
    for optimizer in optimizers:
        if not any(one is optimizer for one in named):
            return "an optimizer of run.optimizer(…)"
        if any(id(one) not in saved for group in optimizer.param_groups for one in group["params"]):
            return "the model whose parameters an optimizer of run.optimizer(…) trains"
    return None


def states(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of each of the objects."""
    return {name: _call(value, 0) for name, value in objects.items()}


def restore(objects: Mapping[str, Any], saved: Mapping[str, Any]) -> None:
    """Give each of the objects the state that was saved under its name."""
    for name, value in objects.items():
        _call(value, 1, saved[name])


def _call(value: Any, which: int, *given: Any) -> Any:
    pair = _pair(value)
    assert pair is not None
    return getattr(value, pair[which])(*given)


def _pair(value: Any) -> tuple[str, str] | None:
    if isinstance(value, type):  # a class in the place of an object
        return None
    return next((pair for pair in _PAIRS if all(callable(getattr(value, one, None)) for one in pair)), None)
