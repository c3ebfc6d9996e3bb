"""An optimizer as a study lists it: its learning rates and weight decays, and its fixed variations."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict

from robustness.optimizers import Signature, split_betas
from studies.spec.grid import Grid, LogRange, rate_or_rates
from studies.spec.optimizers.variants import Variant, cast, label
from studies.spec.problems import Problem, raise_all
from studies.spec.values import Decays, Given, Hyperparameter, Strict, Text

Axis = tuple[Mapping[str, Given], ...]
"""The values that one key of an entry gives, each as hyperparameters; one where it is no list."""


class OptimizerEntry(Strict):
    """One optimizer of a study.

    Hyperparameters are further keys, by the names of ``robustness.optimizers.hyperparameters``: a value, or a
    list as an axis of fixed variations. ``switch_fraction`` may stand for ``switch_rate``. ``betas``, and what has a
    tuple for its default, are lists as they are; a list of such lists is an axis.

    Attributes:
        optimizer: Its name, where the study lists it under another: a registered one, or ``package.module:Class``.
        lr: The centre of the grid's range, or a list of learning rates of its own.
        weight_decay: In place of the grid's.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, Hyperparameter]]

    optimizer: Text | None = None
    lr: Annotated[float | tuple[float, ...] | None, BeforeValidator(rate_or_rates)] = None
    weight_decay: Decays | None = None

    @property
    def given(self) -> Mapping[str, Any]:
        """What the study gives besides ``lr`` and ``weight_decay``, as it gives it."""
        return self.model_extra or {}

    def named(self, key: str) -> str:
        """Return the optimizer's name; ``key`` is what the study lists it under."""
        return self.optimizer or key

    def rates(self, grid: Grid) -> tuple[float, ...]:
        """Return the learning rates to train with.

        Raises:
            ValueError: If this ``lr`` does not go with the grid's, or the range leaves what floats hold.
        """
        if isinstance(self.lr, tuple):
            return self.lr
        if isinstance(grid.lr, LogRange):
            if self.lr is None:
                raise ValueError("is required: the centre of grid.lr, or a list of learning rates")
            return grid.lr.values(self.lr)
        if self.lr is not None:
            raise ValueError(
                "must be a list: there is no grid.lr {decades, points} that it could be the centre of"
            )
        if grid.lr is None:
            raise ValueError("is required, as a list, because grid.lr is not given")
        return grid.lr

    def decays(self, grid: Grid, taken: Signature | None = None) -> tuple[float, ...]:
        """Return the weight decays to train with: 0 alone for an optimizer that takes none.

        Args:
            grid: The study's.
            taken: What the optimizer takes; None where that is not known yet.

        Raises:
            ValueError: If this optimizer is given one that it does not take, or none is given.
        """
        if taken is not None and not taken.decays:
            if any(self.weight_decay or ()):
                raise ValueError("must be 0 or left out: this optimizer takes no weight_decay")
            return (0.0,)
        decays = self.weight_decay or grid.weight_decay
        if decays is None:
            raise ValueError("is required, because grid.weight_decay is not given")
        return decays

    def variants(self, key: str, taken: Signature) -> Iterator[Variant]:
        """Yield the fixed variations in the order of the file, the last axis fastest.

        Args:
            key: What the study lists this optimizer under; labels begin with it.
            taken: What the optimizer takes.
        """
        name, axes, defaults = self.named(key), [*self._axes(taken)], taken.defaults
        listed = {parameter for axis, many in axes if many for parameter in _varied(axis)}
        for values in product(*(axis for axis, _ in axes)):
            given = {parameter: value for one in values for parameter, value in one.items()}
            one = {parameter: cast(value, defaults.get(parameter)) for parameter, value in given.items()}
            yield Variant(name, label(key, one, listed, defaults), one, defaults)

    def count(self, taken: Signature | None = None) -> int:
        """Return the number of fixed variations; ``taken`` is what the optimizer takes, if that is known."""
        return math.prod(len(values_of(*pair, taken)[0]) for pair in self.given.items())

    def _axes(self, taken: Signature) -> Iterator[tuple[Axis, bool]]:
        """Yield the values of each key, and whether they are given as a list."""
        for parameter, given in self.given.items():
            values, many = values_of(parameter, given, taken)
            if parameter == "betas":
                yield tuple(split_betas(taken, value) for value in values), many
            else:
                yield tuple({parameter: value} for value in values), many


def read_entries(value: object) -> object:
    """Check what the optimizers are listed under; an optimizer without keys is an empty mapping."""
    if not isinstance(value, Mapping):
        return value
    raise_all(
        Problem((key,), key, "must be letters, digits, '.', '_', '+' or '-', since labels begin with it")
        for key in value
        if isinstance(key, str) and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", key)
    )
    return {key: {} if entry is None else entry for key, entry in value.items()}


def values_of(parameter: str, given: Any, taken: Signature | None) -> tuple[tuple[Any, ...], bool]:
    """Return the values that a key of an entry gives, and whether it gives them as a list.

    Args:
        parameter: The key.
        given: What it gives.
        taken: What the optimizer takes; None where that is not known yet.
    """
    whole = parameter == "betas" or (taken is not None and isinstance(taken.defaults.get(parameter), tuple))
    many = isinstance(given, tuple) and (not whole or all(isinstance(value, tuple) for value in given))
    return (given if many else (given,)), many


def _varied(axis: Axis) -> Iterator[str]:
    """Yield the hyperparameters by which an axis is told apart: its one, or those of ``betas`` that vary."""
    for parameter in axis[0]:
        if len(axis[0]) == 1 or len({one[parameter] for one in axis}) > 1:
            yield parameter
