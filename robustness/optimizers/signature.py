"""What an optimizer takes, read from its constructor: hyperparameters, their defaults, weight decay."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from numbers import Real
from typing import Any

import torch

from robustness.optimizers.registry import OPTIMIZERS, find


class Required:
    """Stands for the default of a hyperparameter whose constructor has none."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = Required()
"""The default of a hyperparameter that must be given."""

FLAGS = ("foreach", "maximize", "capturable", "differentiable", "fused", "compile")
"""Arguments of torch's optimizers that say how a step is computed, or which way; never hyperparameters."""

_NOT_STUDIED = ("amsgrad", "dampening")  # of registered optimizers, whose rules do not have them
_STUDY_DEFAULTS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.9}}


@dataclass(frozen=True)
class Signature:
    """What an optimizer takes: enough to plan and to read a study without its class.

    Attributes:
        defaults: Hyperparameters besides ``lr`` and ``weight_decay``, in the constructor's order; ``REQUIRED`` where
            there is no default.
        decays: Whether it takes ``weight_decay``. If not, a study may give 0 alone.
        betas: How many of ``beta1``, ``beta2`` and so on the constructor takes as one argument ``betas``.
    """

    defaults: Mapping[str, Any]
    decays: bool
    betas: int


def signature(name: str) -> Signature:
    """Return what an optimizer takes.

    ``betas`` with a default is given as ``beta1``, ``beta2`` and so on. What no study varies is left out, and the
    constructor's own default holds: ``FLAGS``, and values that are no number, text, None or, for a user's own, tuple
    of numbers. Of a registered optimizer torch's ``amsgrad`` and ``dampening`` are left out as well, and all that is
    keyword-only or a tuple. The default momentum of ``sgd`` is 0.9, where torch's is 0.

    A constructor with ``**kwargs`` takes only the names it writes out, and ``lr``; and ``weight_decay`` if a
    constructor of a class it is derived from has it.

    Args:
        name: A key of ``OPTIMIZERS``, or ``package.module:Class``.

    Raises:
        ValueError: If there is no such optimizer, or it is none; one line.

    Examples:
        >>> signature("adamw")
        Signature(defaults={'beta1': 0.9, 'beta2': 0.999, 'eps': 1e-08}, decays=True, betas=2)
    """
    found: Any = find(name)  # mypy does not see that classes can be hashed
    return _signature(found, name)


@cache
def _signature(found: Any, name: str) -> Signature:
    """Return what a class takes, which is asked for each trial."""
    own = name not in OPTIMIZERS
    taken = _arguments(found)
    defaults: dict[str, Any] = {}
    betas = 0
    for parameter in taken.values():
        if not _studied(parameter, own=own):
            continue
        default: Any = REQUIRED if parameter.default is parameter.empty else parameter.default
        if parameter.name == "betas" and _are_betas(default, taken):
            betas = len(default)
            defaults |= {f"beta{number}": value for number, value in enumerate(default, 1)}
        elif default is REQUIRED or (_is_plain(default) and (own or parameter.name != "betas")):
            defaults[parameter.name] = default
        elif own and is_numbers(default):
            defaults[parameter.name] = tuple(default)
    return Signature(defaults | _STUDY_DEFAULTS.get(name, {}), _decays(found, own=own), betas)


def hyperparameters(name: str) -> dict[str, Any]:
    """Return what a study may set besides ``lr`` and ``weight_decay``, with the defaults; see ``signature``.

    Args:
        name: A key of ``OPTIMIZERS``, or ``package.module:Class``.

    Raises:
        ValueError: If there is no optimizer of that name; the message names the nearest.

    Examples:
        >>> hyperparameters("sgd")
        {'momentum': 0.9, 'nesterov': False}
    """
    return dict(signature(name).defaults)


def split_betas(taken: Signature, values: Sequence[Any]) -> dict[str, Any]:
    """Return ``betas``, given as one value, as the hyperparameters ``beta1``, ``beta2`` and so on.

    Args:
        taken: What the optimizer takes; it takes ``betas``.
        values: As many numbers as it takes.

    Raises:
        ValueError: If there are more or fewer.

    Examples:
        >>> split_betas(signature("adamw"), [0.9, 0.99])
        {'beta1': 0.9, 'beta2': 0.99}
    """
    if "betas" in taken.defaults:  # it says nothing of how many
        return {"betas": tuple(values)}
    names = [f"beta{number}" for number in range(1, taken.betas + 1)]
    if len(values) != len(names) or not is_numbers(values):
        allowed = f"{len(names)} numbers ({', '.join(names)})" if names else "left out: it takes no betas"
        raise ValueError(f"betas must be {allowed}, but got {list(values)!r}")
    return dict(zip(names, values, strict=True))


def unknown(name: str, key: str, allowed: Sequence[str]) -> str:
    """Return the message for a hyperparameter that an optimizer does not have."""
    near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.0)[0]
    return f"{name} has no hyperparameter {key!r}; did you mean {near!r}? It has {', '.join(allowed)}"


def trained_argument(found: type[torch.optim.Optimizer]) -> str | None:
    """Return the name of the argument that takes the parameters to train; None if it is the first, by position."""
    taken = inspect.signature(found.__init__).parameters.get("params")
    return None if taken is None or taken.kind is taken.POSITIONAL_ONLY else "params"


def is_numbers(value: Any) -> bool:
    """Return whether ``value`` is a tuple or list of numbers; None may be among them."""
    return isinstance(value, tuple | list) and all(one is None or isinstance(one, Real) for one in value)


def _arguments(found: type[torch.optim.Optimizer]) -> dict[str, inspect.Parameter]:
    """Return the arguments of a constructor after ``self`` and the parameters to train, by name."""
    taken = list(inspect.signature(found.__init__).parameters.values())[1:]
    trained = trained_argument(found) or (taken[0].name if taken else None)
    return {one.name: one for one in taken if one.name != trained}


def _takes_any(taken: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())


def _studied(parameter: inspect.Parameter, *, own: bool) -> bool:
    if parameter.name in ("lr", "weight_decay"):
        return False
    if own:
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        return named and parameter.name not in FLAGS
    return parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name not in _NOT_STUDIED


def _is_plain(default: Any) -> bool:
    return default is None or isinstance(default, str | Real)


def _are_betas(default: Any, taken: Mapping[str, inspect.Parameter]) -> bool:
    return is_numbers(default) and None not in default and "beta1" not in taken


def _decays(found: type[torch.optim.Optimizer], *, own: bool) -> bool:
    taken = _arguments(found)
    if "weight_decay" in taken or not _takes_any(taken):
        return "weight_decay" in taken
    # of a user's own, what **kwargs reach is a constructor of a class it is derived from, or nothing
    homes = [one for one in found.__mro__ if "__init__" in vars(one) and one is not object]
    return not own or any(
        "weight_decay" in inspect.signature(vars(one)["__init__"]).parameters for one in homes
    )
