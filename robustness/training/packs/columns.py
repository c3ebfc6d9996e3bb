"""Trials as rows of one matrix: what they must have in common, and their numbers as its columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from robustness.optimizers.rule import Rule, step_scalars
from robustness.training.settings import TrialSettings

# Powers with these exponents take square roots alone, a third of the time of others: they stay Python numbers, and
# their trials are in blocks of their own.
EXPONENTS = ("mixing", "exponent", "p", "q")
ROOTS = (-0.5, 0.0, 0.25, 0.5, 1.0)


def _fixed(name: str, value: Any) -> bool:
    """Return whether all rows of a matrix must have ``value``; other hyperparameters are columns of numbers."""
    number = isinstance(value, float | int) and not isinstance(value, bool)
    return not number or (name in EXPONENTS and value in ROOTS)


def signature(settings: TrialSettings) -> tuple[Any, ...]:
    """Return what ``settings`` must share with others to be a row of one matrix: rule, budget, all but numbers."""
    fixed = {name: value for name, value in settings.hyperparameters.items() if _fixed(name, value)}
    return (
        settings.optimizer,
        settings.epochs,
        settings.batch_size,
        settings.schedule,
        settings.training,
        tuple(sorted(fixed.items(), key=lambda item: item[0])),
    )


def blocks(trials: Sequence[TrialSettings], most: int | None = None) -> list[list[int]]:
    """Return the indices of ``trials`` grouped by ``signature``, at most ``most`` of them in a group."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, settings in enumerate(trials):
        groups.setdefault(signature(settings), []).append(index)
    size = most or len(trials)
    return [group[start : start + size] for group in groups.values() for start in range(0, len(group), size)]


def kind(trials: Sequence[TrialSettings]) -> tuple[Any, ...]:
    """Return what decides the functions of a block of ``trials``: their signature, and whether they share batches."""
    return signature(trials[0]), len({settings.seed for settings in trials}) == 1


def by_slab(numbers: Sequence[Tensor], slabs: int) -> list[tuple[Tensor, ...]]:
    """Return columns ``[K, 1]`` cut into those of each slab; what all rows share is given to each."""
    cut = [one.chunk(slabs) if one.dim() == 2 else [one] * slabs for one in numbers]
    return list(zip(*cut, strict=True)) if cut else [()] * slabs


class Columns:
    """The numbers of K trials of one signature, as columns ``[K, 1]`` in float64.

    Args:
        trials: At least one.
        device: Where the columns are needed.
        dtype: Of the parameters, to which what depends on a step is cast in the end.
        spare: Whether to leave out what changes nothing for these trials: a weight decay of 0, a gradient scale of 1.

    Attributes:
        hyper: Hyperparameters by name: a column, or the value that all share.
        scale: The gradient scales as ``dtype``; None if all are 1.
    """

    def __init__(
        self, trials: Sequence[TrialSettings], device: str, dtype: torch.dtype, *, spare: bool = True
    ) -> None:
        self.device, self.dtype, self.spare = device, dtype, spare
        self.hyper = {
            name: self._column(name, [settings.hyperparameters[name] for settings in trials])
            for name in trials[0].hyperparameters
        }
        scales = [settings.grad_scale for settings in trials]
        self.scale = None if spare and set(scales) == {1} else self._tensor(scales).to(dtype)

    def scalars(self, rule: Rule, before: int, rates: Sequence[float]) -> list[dict[str, Any]]:
        """Return what ``step_scalars`` gives for each of several steps in turn.

        Args:
            rule: The rule.
            before: How many steps have been taken.
            rates: The learning rate of each of the steps, over its peak.
        """
        steps = len(rates)
        numbers = torch.arange(before, before + steps, dtype=torch.float64, device=self.device)
        hyper = {**self.hyper, "lr": self.hyper["lr"] * self._tensor(rates)[:, None]}
        scalars = step_scalars(rule, numbers[:, None, None] + 1, hyper, self.dtype)
        by_step = {
            name: value.unbind() if isinstance(value, Tensor) and value.dim() == 3 else [value] * steps
            for name, value in scalars.items()
        }
        return [dict(zip(by_step, values, strict=True)) for values in zip(*by_step.values(), strict=True)]

    def _column(self, name: str, values: list[Any]) -> Any:
        if _fixed(name, values[0]) or (self.spare and name == "weight_decay" and not any(values)):
            return values[0]
        return self._tensor(values)

    def _tensor(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float64, device=self.device)[:, None]
