"""How a study builds an optimizer by name, from flat hyperparameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from robustness.optimizers.base import CheckedOptimizer
from robustness.optimizers.ranges import SHARED, Ranges, validate
from robustness.optimizers.registry import OPTIMIZERS, find
from robustness.optimizers.signature import REQUIRED, signature, trained_argument, unknown


def build(
    name: str, params: Iterable[Any], *, lr: float, weight_decay: float, **hyperparameters_: Any
) -> torch.optim.Optimizer:
    """Build an optimizer from its name and flat hyperparameters.

    Args:
        name: A key of ``OPTIMIZERS``, or ``package.module:Class``.
        params: Parameters or parameter groups.
        lr: Learning rate, >= 0.
        weight_decay: Weight decay, >= 0; coupled or decoupled as the optimizer has it.
        **hyperparameters_: Any of ``hyperparameters(name)``; the others take the defaults given there.

    Raises:
        ValueError: If there is no optimizer of that name, or a value is out of range (for torch's own classes
            too).
        TypeError: If the optimizer has no such hyperparameter, or a value that must be a number is not one.

    Examples:
        >>> import torch
        >>> parameter = torch.nn.Parameter(torch.zeros(2))
        >>> build("ada2ms", [parameter], lr=3e-3, weight_decay=0.0, mixing=0.25, beta1=0.8).defaults["betas"]
        (0.8, 0.999)
    """
    values = arguments(name, {"lr": lr, "weight_decay": weight_decay, **hyperparameters_})
    found: Any = find(name)
    trained = trained_argument(found)
    return found(params, **values) if trained is None else found(**{trained: params}, **values)


def arguments(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an optimizer's constructor after its parameters.

    Args:
        name: A key of ``OPTIMIZERS``, or ``package.module:Class``.
        values: ``lr``, ``weight_decay`` and any of ``hyperparameters(name)``; the others take their defaults.

    Raises:
        ValueError: If there is no optimizer of that name, or a value is missing, out of range or cannot be given.
        TypeError: If the optimizer has no such hyperparameter, or a value that must be a number is not one.
    """
    optimizer, taken = find(name), signature(name)
    allowed = ["lr", "weight_decay", *taken.defaults]
    for key in values:
        if key not in allowed:
            raise TypeError(unknown(name, key, allowed))
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
    values = {**taken.defaults, **given}
    for key in allowed:
        if values.get(key, REQUIRED) is REQUIRED:
            raise ValueError(f"{key} is required: {name} has no default for it")
    _check(name, optimizer, values)
    if taken.betas:
        names = [f"beta{number}" for number in range(1, taken.betas + 1)]
        values["betas"] = tuple(float(values.pop(key)) for key in names)
    if not taken.decays and values.pop("weight_decay"):
        raise ValueError(f"weight_decay must be 0, because {name} has none")
    return values


def ranges_of(name: str) -> Ranges:
    """Return the ranges that ``arguments`` checks, by hyperparameter.

    Of a user's own class without ``ranges`` these are ``lr`` and ``weight_decay``: the constructor judges the rest.

    Args:
        name: A key of ``OPTIMIZERS``, or ``package.module:Class``.

    Raises:
        ValueError: If there is no optimizer of that name.
    """
    found = find(name)
    if name in OPTIMIZERS or issubclass(found, CheckedOptimizer):
        return {**SHARED, **getattr(found, "ranges", {})}
    return {key: SHARED[key] for key in ("lr", "weight_decay")}


def _check(name: str, optimizer: type[torch.optim.Optimizer], values: Mapping[str, Any]) -> None:
    """Check a study's axes; more where ranges are known, and of a user's own the rest is for the constructor."""
    if issubclass(optimizer, CheckedOptimizer):
        optimizer.check(values)
    else:
        ranges = ranges_of(name)
        validate({key: value for key, value in values.items() if key in {**ranges, "nesterov": None}}, ranges)
