"""The tasks by name, and a user's own by ``package.module:function``."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches

from robustness.tasks.digits import digits_cnn, digits_mlp
from robustness.tasks.logistic import digits_logistic
from robustness.tasks.task import Task
from robustness.tasks.two_minima import two_minima

TASKS: dict[str, Callable[..., Task]] = {
    "digits-mlp": digits_mlp,
    "digits-cnn": digits_cnn,
    "digits-logistic": digits_logistic,
    "two-minima": two_minima,
}


def factory(name: str) -> Callable[..., Task]:
    """Return the function that makes the task ``name``.

    Raises:
        ValueError: If ``name`` is neither registered nor the ``package.module:function`` of a callable.
    """
    if name in TASKS:
        return TASKS[name]
    if ":" not in name:
        near = get_close_matches(name, TASKS, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"task must be one of {', '.join(TASKS)} or package.module:function, but got {name!r}{hint}"
        )
    module_name, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # the user's own module may raise anything
        raise ValueError(f"task {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise ValueError(f"task {name!r} must be a function that returns a Task, but it is {function!r}")
    return function


def load(name: str, **options: object) -> Task:
    """Make the task ``name``; ``options`` go to its function.

    Raises:
        ValueError: If there is no such task, it takes no such option, or it returns no ``Task``.
    """
    make = factory(name)
    try:
        inspect.signature(make).bind(**options)
    except TypeError as error:
        allowed = ", ".join(inspect.signature(make).parameters) or "none"
        raise ValueError(f"task {name!r}: {error}; its options are: {allowed}") from error
    task = make(**options)
    if not isinstance(task, Task):
        raise ValueError(f"task {name!r} must return a robustness.tasks.Task, but returned {task!r}")
    return replace(task, name=name, options=options)
