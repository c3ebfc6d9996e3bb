"""Whether an optimizer evaluates the model itself, by a closure that its ``step`` is given."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch

from robustness.optimizers.building import build
from robustness.optimizers.registry import find, is_known

_answers: WeakKeyDictionary[type, bool] = WeakKeyDictionary()


def needs_closure(name: str, values: Mapping[str, Any]) -> bool:
    """Return whether ``step`` of an optimizer must be given a closure.

    It must where its argument has no default, as in torch.optim.LBFGS. A class of neither torch nor this project is
    also tried, once in a process, on a matrix of two by two that has a gradient: it needs a closure if ``step()``
    fails there and ``step(closure)`` does not.

    Args:
        name: A key of ``OPTIMIZERS``, or ``package.module:Class``.
        values: What ``build`` takes, by which it is tried.

    Raises:
        ValueError: If there is no optimizer of that name.
    """
    found = find(name)
    if found not in _answers:
        taken = list(inspect.signature(found.step).parameters.values())[1:]
        named = [one for one in taken if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
        if any(one.default is one.empty for one in named):
            _answers[found] = True
        elif is_known(found):
            _answers[found] = False
        else:
            try:
                build(name, [_matrix()], **values)
            except Exception:  # another trial's values may be right
                return False
            _answers[found] = not _steps(name, values, closed=False) and _steps(name, values, closed=True)
    return _answers[found]


def _matrix() -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]]))


def _steps(name: str, values: Mapping[str, Any], *, closed: bool) -> bool:
    """Return whether a fresh optimizer takes a step without an error; no random number is used up."""
    parameter = _matrix()
    optimizer: Any = build(name, [parameter], **values)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = parameter.square().sum()
        loss.backward()
        return loss

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        closure()
        try:
            optimizer.step(closure) if closed else optimizer.step()
        except Exception:  # an optimizer may be anyone's
            return False
    return True
