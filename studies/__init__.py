"""What is swept, and where it runs: studies, their trials, their store, and the command ``robustness``.

Everything is loaded when it is first asked for, so that reading a study needs neither torch nor ray.

Examples:
    >>> import studies
    >>> spec = studies.load_spec("smoke")
    >>> spec.task.name
    'digits-mlp'
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from studies.catalog import load_spec
    from studies.results import StoreError, load, load_curves, load_diagnostics
    from studies.run import Outcome, run
    from studies.spec import SpecError, StudySpec

_HOMES = {
    "Outcome": "run",
    "SpecError": "spec",
    "StoreError": "results",
    "StudySpec": "spec",
    "load": "results",
    "load_curves": "results",
    "load_diagnostics": "results",
    "load_spec": "catalog",
    "run": "run",
}

__all__ = [
    "Outcome",
    "SpecError",
    "StoreError",
    "StudySpec",
    "load",
    "load_curves",
    "load_diagnostics",
    "load_spec",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'studies' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"studies.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


class _Package(ModuleType):
    """A package in which ``run`` is the function, whoever has imported the module of that name before."""

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _HOMES or not isinstance(value, ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
