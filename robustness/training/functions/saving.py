"""The objects that a training function names for its checkpoints: their states, taken and given back."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any

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
