"""Building an optimizer only to hear what its constructor refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from robustness.optimizers import build


def dry_build(name: str, values: Mapping[str, Any]) -> None:
    """Build an optimizer on two by two zeros.

    Args:
        name: A key of ``robustness.optimizers.OPTIMIZERS``.
        values: What ``robustness.optimizers.build`` takes.

    Raises:
        ValueError: As ``build`` does.
        TypeError: As ``build`` does.
    """
    with _no_compiler():
        build(name, [torch.nn.Parameter(torch.zeros(2, 2))], **values)


@contextmanager
def _no_compiler() -> Iterator[None]:
    """Keep torch from importing its compiler.

    The first parameter group of any optimizer imports it, to have the function that adds groups left out of
    compiled code: 1.6 s and 150 MB for every command that reads a study, of which few compile. torch keeps the
    function so prepared as an attribute of the plain one; while that is set, nothing is imported.
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
