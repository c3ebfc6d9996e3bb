"""The registry of optimizers and their rules, and how a study builds an optimizer by name."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from robustness.optimizers.ada2ms import ADA2MS, Ada2MS
from robustness.optimizers.adamnx import ADAMNX, AdamNX
from robustness.optimizers.adamomentum import ADAMOMENTUM, AdaMomentum
from robustness.optimizers.base import RuleOptimizer
from robustness.optimizers.dual_adam import DUAL_ADAM, DualAdam
from robustness.optimizers.exponent_plane import EXPONENT_PLANE, ExponentPlane
from robustness.optimizers.inv_adam import INV_ADAM, InvAdam
from robustness.optimizers.ranges import validate
from robustness.optimizers.rule import Rule
from robustness.optimizers.sgdw import SGDW, SGDW_RULE
from robustness.optimizers.smes import SMES, SMES_RULE
from robustness.optimizers.torch_rules import ADAM, ADAMW, SGD_RULE

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "sgdw": SGDW,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "ada2ms": Ada2MS,
    "adamomentum": AdaMomentum,
    "invadam": InvAdam,
    "dualadam": DualAdam,
    "smes": SMES,
    "adamnx": AdamNX,
    "exponent_plane": ExponentPlane,
}
"""Every optimizer a study may name. Add a class to make it available."""

RULES: dict[str, Rule] = {
    "sgd": SGD_RULE,
    "sgdw": SGDW_RULE,
    "adam": ADAM,
    "adamw": ADAMW,
    "ada2ms": ADA2MS,
    "adamomentum": ADAMOMENTUM,
    "invadam": INV_ADAM,
    "dualadam": DUAL_ADAM,
    "smes": SMES_RULE,
    "adamnx": ADAMNX,
    "exponent_plane": EXPONENT_PLANE,
}
"""The rule of each optimizer that has one; an optimizer without a rule trains one model at a time only."""


class Required:
    """Stands for the default of a hyperparameter whose constructor has none."""

    def __repr__(self) -> str:
        return "required"


REQUIRED = Required()
"""The default of a hyperparameter that must be given."""

_NOT_STUDIED = ("self", "params", "lr", "weight_decay", "amsgrad", "dampening")
_STUDY_DEFAULTS: dict[str, dict[str, Any]] = {"sgd": {"momentum": 0.9}}


def _lookup(name: str) -> type[torch.optim.Optimizer]:
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    nearest = difflib.get_close_matches(str(name), OPTIMIZERS, n=1, cutoff=0.0)
    raise ValueError(
        f"optimizer must be one of {', '.join(OPTIMIZERS)}, but got {name!r}; did you mean {nearest[0]!r}?"
    )


def hyperparameters(name: str) -> dict[str, Any]:
    """Return what a study may set besides ``lr`` and ``weight_decay``, with the defaults.

    In the constructor's order, ``betas`` as ``beta1``, ``beta2`` and so on. Engineering flags, which are
    keyword-only, torch's ``amsgrad`` and ``dampening``, and what is neither number nor text (such as Adafactor's pair
    ``eps``) are left out: there the constructor's own default holds. What has no default is ``REQUIRED``. The default
    momentum of ``sgd`` is 0.9, where torch's is 0.

    Args:
        name: A key of ``OPTIMIZERS``.

    Raises:
        ValueError: If there is no optimizer of that name; the message names the nearest.

    Examples:
        >>> hyperparameters("sgd")
        {'momentum': 0.9, 'nesterov': False}
    """
    result: dict[str, Any] = {}
    for parameter in inspect.signature(_lookup(name).__init__).parameters.values():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD or parameter.name in _NOT_STUDIED:
            continue
        default = parameter.default
        if default is parameter.empty:
            result[parameter.name] = REQUIRED
        elif parameter.name == "betas" and isinstance(default, tuple | list):
            result |= {f"beta{number}": value for number, value in enumerate(default, 1)}
        elif parameter.name != "betas" and (default is None or isinstance(default, float | int | str)):
            result[parameter.name] = default
    return result | _STUDY_DEFAULTS.get(name, {})


def build(
    name: str, params: Iterable[Any], *, lr: float, weight_decay: float, **hyperparameters_: Any
) -> torch.optim.Optimizer:
    """Build an optimizer from its name and flat hyperparameters.

    Args:
        name: A key of ``OPTIMIZERS``.
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
    values = {"lr": lr, "weight_decay": weight_decay, **hyperparameters_}
    return _lookup(name)(params, **arguments(name, values))


def arguments(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of an optimizer's constructor after its parameters.

    Args:
        name: A key of ``OPTIMIZERS``.
        values: ``lr``, ``weight_decay`` and any of ``hyperparameters(name)``; the others take their defaults.

    Raises:
        ValueError: If there is no optimizer of that name, or a value is missing, out of range or cannot be given.
        TypeError: If the optimizer has no such hyperparameter, or a value that must be a number is not one.
    """
    optimizer, defaults = _lookup(name), hyperparameters(name)
    allowed = ["lr", "weight_decay", *defaults]
    for key in values:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.0)[0]
            raise TypeError(
                f"{name} has no hyperparameter {key!r}; did you mean {near!r}? It has {', '.join(allowed)}"
            )
    values = {**defaults, **values}
    for key in allowed:
        if values.get(key, REQUIRED) is REQUIRED:
            raise ValueError(f"{key} is required: {name} has no default for it")
    (optimizer.check if issubclass(optimizer, RuleOptimizer) else validate)(values)
    betas = [key for key in defaults if key.startswith("beta") and key.removeprefix("beta").isdecimal()]
    taken = inspect.signature(optimizer.__init__).parameters
    if betas and "betas" in taken:
        values["betas"] = tuple(float(values.pop(key)) for key in betas)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())
    if "weight_decay" not in taken and not takes_any and values.pop("weight_decay"):
        raise ValueError(f"weight_decay must be 0, because {name} has none")
    return values
