"""What a model's forward changes beside parameters and buffers: attributes, hooks' state, Python's random numbers.

Such state belongs to one model and one step; a pack, which computes the forward once for all its models, would share
it. Attributes of modules, of the loss and of what hangs on them are compared before and after; variables of a module
of Python code are not seen here.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MOST_ITEMS, DEEPEST = 1000, 8
_TORCHS_OWN = ("_parameters", "_buffers", "_modules")
_PLAIN = (int, float, complex, str, bytes, type(None))


class Snapshot:
    """The state of a model and its loss that is neither parameter nor buffer, and that of the generators.

    Args:
        model: Only read.
        loss: Likewise.
        device: Where the model computes.
    """

    def __init__(self, model: nn.Module, loss: Any, device: torch.device) -> None:
        # what is described by its id must live as long as the description, and is described once
        self.held: dict[int, Any] = {}
        self.owners: dict[tuple[str, str], tuple[str, Any]] = {}
        for path, module in model.named_modules():
            kind = type(module).__name__
            for name, value in vars(module).items():
                if name not in _TORCHS_OWN:
                    self.owners[path, name] = (kind, self._described(value, 0))
            self.owners[path, "_buffers"] = (kind, _shapes(module))
        self.loss = self._described(loss, 0)
        self.python = random.getstate()
        self.numpy = pickle.dumps(np.random.get_state())  # noqa: NPY002 (the default generator is meant)
        self.torch = torch.get_rng_state()
        self.gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def change(self, before: Snapshot) -> str | None:
        """Return in words what has changed since ``before``, random generators among it, or None."""
        return self.hidden_change(before) or self._draws(before)

    def hidden_change(self, before: Snapshot) -> str | None:
        """Return in words what of the model or its loss has changed since ``before``, or None."""
        for key in {**before.owners, **self.owners}:
            kind, now = self.owners.get(key, (None, None))
            then_kind, then = before.owners.get(key, (None, None))
            if now != then:
                owner, name = kind or then_kind, key[1]
                if name.endswith("hooks"):
                    return f"a hook of {owner} changes its own state"
                return f"the forward of {owner} changes its attribute {name}"
        if self.loss != before.loss:
            return "the loss changes its own state"
        return None

    def _draws(self, before: Snapshot) -> str | None:
        if self.python != before.python:
            return "the model draws from Python's random numbers"
        if self.numpy != before.numpy:
            return "the model draws from numpy's random numbers"
        same = self.gpu is None or before.gpu is None or torch.equal(self.gpu, before.gpu)
        if not (same and torch.equal(self.torch, before.torch)):
            return "the model draws random numbers while it computes, as dropout does"
        return None

    def _described(self, value: Any, depth: int) -> Any:
        """Return what equals another description if nothing has changed in between."""
        if isinstance(value, _PLAIN):
            return value
        if id(value) in self.held and not isinstance(value, Tensor):
            return id(value)
        self.held[id(value)] = value
        if isinstance(value, Tensor):
            return ("tensor", id(value), value._version)
        if isinstance(value, torch.Generator):
            return ("generator", id(value), bytes(value.get_state().tolist()))
        if depth >= DEEPEST or isinstance(value, ModuleType | BuiltinFunctionType | type):
            return id(value)
        deeper = depth + 1
        if isinstance(value, dict | list | tuple | set | frozenset):
            return self._container(value, deeper)
        if isinstance(value, MethodType):
            # a bound method of a module leads back to the module, whose attributes are described by themselves
            own = id(value.__self__) if isinstance(value.__self__, nn.Module) else None
            return (id(value.__func__), own or self._described(value.__self__, deeper))
        if isinstance(value, FunctionType):
            return (id(value), [self._described(cell, deeper) for cell in _cells(value)])
        if isinstance(value, GeneratorType):
            frame = value.gi_frame
            return (id(value), frame and (frame.f_lasti, self._described(frame.f_locals, deeper)))
        return self._object(value, deeper)

    def _container(self, value: Any, depth: int) -> Any:
        if len(value) > MOST_ITEMS:
            return (id(value), len(value))
        if isinstance(value, dict):
            return [(self._described(k, depth), self._described(v, depth)) for k, v in value.items()]
        if isinstance(value, list | tuple):
            return [self._described(item, depth) for item in value]
        return {repr(item) for item in value}

    def _object(self, value: Any, depth: int) -> Any:
        state = getattr(value, "__dict__", None)
        if state:
            return (id(value), self._container(dict(state), depth))
        try:
            return (id(value), pickle.dumps(value))
        except Exception:  # anything may refuse to be pickled, with any error
            return id(value)


def _cells(function: FunctionType) -> Iterator[Any]:
    """Yield what a function remembers: the variables around it, and its defaults."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from function.__defaults__ or ()


def _shapes(module: nn.Module) -> list[Any]:
    """Return names, shapes and types of a module's buffers: their values may change, in a pack too."""
    return [
        (name, None if buffer is None else (tuple(buffer.shape), buffer.dtype))
        for name, buffer in module._buffers.items()
    ]
