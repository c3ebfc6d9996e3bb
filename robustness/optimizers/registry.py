"""Optimizers by name: those of the registry, and a user's own as ``package.module:Class``."""

from __future__ import annotations

import difflib
import inspect

import torch

from robustness.optimizers.ada2ms import ADA2MS, Ada2MS
from robustness.optimizers.adamnx import ADAMNX, AdamNX
from robustness.optimizers.adamomentum import ADAMOMENTUM, AdaMomentum
from robustness.optimizers.dual_adam import DUAL_ADAM, DualAdam
from robustness.optimizers.exponent_plane import EXPONENT_PLANE, ExponentPlane
from robustness.optimizers.foreign.codes import code_of_class
from robustness.optimizers.foreign.muon import Muon
from robustness.optimizers.foreign.torch_rules import ADAM, ADAMW, SGD_RULE
from robustness.optimizers.inv_adam import INV_ADAM, InvAdam
from robustness.optimizers.rule import Rule
from robustness.optimizers.sgdw import SGDW, SGDW_RULE
from robustness.optimizers.smes import SMES, SMES_RULE
from robustness.user_code.names import is_own, resolve

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
    "muon": Muon,
}
"""Every optimizer a study may name by one word. Add a class to make it available."""

_BUILT_IN = dict(OPTIMIZERS)

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
"""The rule of each optimizer here that has one. A class with a ``rule`` of its own needs no entry (``rule_of``)."""


def is_built_in(name: str) -> bool:
    """Return whether ``name`` is an optimizer of this project, and not one that was put into ``OPTIMIZERS`` since."""
    return name in _BUILT_IN and OPTIMIZERS.get(name) is _BUILT_IN[name]


def find(name: str) -> type[torch.optim.Optimizer]:
    """Return the class of an optimizer.

    Args:
        name: A key of ``OPTIMIZERS``, or ``package.module:Class`` of a user's own or of an installed package.
            ``torch.optim:Muon`` is the ``Muon`` of this project, which takes parameters of any shape.

    Raises:
        ValueError: If there is no such optimizer; the message names the nearest. If the class is not derived from
            torch.optim.Optimizer, or its constructor does not take parameters and ``lr``.
    """
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    if not isinstance(name, str) or not is_own(name):
        nearest = difflib.get_close_matches(str(name), OPTIMIZERS, n=1, cutoff=0.0)
        raise ValueError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}, or package.module:Class, but got {name!r}; "
            f"did you mean {nearest[0]!r}?"
        )
    try:
        found = resolve(name)
    except ValueError as error:
        raise ValueError(f"optimizer {name!r} {error}") from error
    if not isinstance(found, type) or not issubclass(found, torch.optim.Optimizer):
        kind = "another class" if isinstance(found, type) else f"a {type(found).__name__}"
        raise ValueError(
            f"optimizer {name!r} must be a class derived from torch.optim.Optimizer, but is {kind}"
        )
    _check_constructor(name, found)
    return Muon if found is torch.optim.Muon else found


def _check_constructor(name: str, found: type[torch.optim.Optimizer]) -> None:
    """Raise ValueError if a constructor cannot be called with parameters and ``lr``."""
    taken = list(inspect.signature(found.__init__).parameters.values())[1:]
    kinds, names = {one.kind for one in taken}, [one.name for one in taken]
    listed = ", ".join(str(one).partition(":")[0].partition("=")[0] for one in taken)
    by_position = kinds - {inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD}
    if "params" not in names and (not by_position or names[0] == "lr"):
        raise ValueError(f"the constructor of optimizer {name!r} must take params, but has ({listed})")
    if "lr" not in names and inspect.Parameter.VAR_KEYWORD not in kinds:
        raise ValueError(f"the constructor of optimizer {name!r} must take lr, but has ({listed})")


def rule_of(name: str) -> Rule | None:
    """Return the rule of an optimizer, by which many models are trained at once; None where it has none.

    It is the one in ``RULES``, or else the class's own attribute ``rule``. A class that inherits its rule but has a
    ``step`` of its own has none: nothing says that the two agree.

    Args:
        name: As for ``find``.

    Raises:
        ValueError: If there is no such optimizer.
    """
    if name in RULES:
        return RULES[name]
    order = find(name).__mro__
    for one in order:
        if "rule" in vars(one):
            rule = vars(one)["rule"]
            return rule if isinstance(rule, Rule) else None
        if "step" in vars(one):
            return None
    return None


def code_of(name: str) -> str | None:
    """Return which code an optimizer is made of, as a short text that changes with it.

    Args:
        name: As for ``find``.

    Returns:
        ``distribution==version`` for a class of an installed package, a digest of the source for a user's own; None
        for classes of torch and of this project, whose versions are recorded anyway.

    Raises:
        ValueError: If there is no such optimizer, or its source has changed since this process imported it.
    """
    found = find(name)
    return None if is_known(found) else code_of_class(found)


def is_known(found: type) -> bool:
    """Return whether a class is torch's or this project's."""
    return found.__module__.partition(".")[0] in ("torch", "robustness")
