"""An optimizer built on a few zeros: its constructor alone knows what it allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from robustness.optimizers import arguments, build


def dry_build(name: str, values: Mapping[str, Any]) -> None:
    """Build an optimizer on two by two zeros; whether it suits the task's model is for the preflight to say.

    An optimizer that refuses a single matrix is tried on parameters of several shapes.

    Args:
        name: A key of ``robustness.optimizers.OPTIMIZERS``, or ``package.module:Class``.
        values: What ``robustness.optimizers.build`` takes.

    Raises:
        ValueError: If a value is not valid, or the constructor refuses the optimizer with any error.
        TypeError: If the optimizer takes no such value.
    """
    arguments(name, values)
    with _no_compiler():
        try:
            build(name, _zeros((2, 2)), **values)
        except Exception as refused:  # a constructor may be anyone's
            try:
                build(name, _zeros((2, 2), (2,), (2, 2, 1, 1)), **values)
            except Exception:
                if isinstance(refused, ValueError | TypeError):
                    raise refused from None
                raise ValueError(f"{name}: {type(refused).__name__}: {refused}") from refused


def _zeros(*shapes: tuple[int, ...]) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]


@contextmanager
def _no_compiler() -> Iterator[None]:
    """Keep torch from importing its compiler.

    The first parameter group of any optimizer imports it, to keep the function that adds groups out of compiled
    code. That costs every command that reads a study 1.6 s and 150 MB, and few of them compile. torch stores the
    function that it has prepared so as an attribute of the plain one; while that is set, nothing is imported.
    """
    plain = getattr(torch.optim.Optimizer.add_param_group, "__wrapped__", None)
    kept = "__dynamo_disable"
    if plain is None or hasattr(plain, kept):
        yield
        return
    setattr(plain, kept, plain)
    try:
        yield
    finally:
        delattr(plain, kept)
