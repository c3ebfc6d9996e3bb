"""One update of a pack: gradients are scaled, clipped, and handed to the rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from robustness.optimizers import advance
from robustness.optimizers.rule import Rule
from robustness.training.graphs.library import OnTensors


@dataclass(frozen=True)
class Update:
    """What all updates of a block have in common.

    Attributes:
        rule: The rule.
        numbers: The scalars that are tensors, by name; others are ``fixed``.
        fixed: The scalars that are the same in every step.
        scaled: Whether gradients are multiplied by ``[K, 1]`` scales.
        clip_norm: As in ``Training``.
        sizes: As for ``robustness.optimizers.advance``.
        confined: Whether only some elements decay.
    """

    rule: Rule
    numbers: tuple[str, ...]
    fixed: Mapping[str, Any]
    scaled: bool
    clip_norm: float | None
    sizes: Sequence[int] | None
    confined: bool

    @classmethod
    def of(
        cls,
        rule: Rule,
        scalars: Mapping[str, Any],
        scale: Tensor | None,
        clip_norm: float | None,
        sizes: Sequence[int] | None,
        decayed: Tensor | None,
    ) -> Update:
        """Return the update whose scalars in one of its steps are ``scalars``."""
        numbers = tuple(name for name, value in scalars.items() if isinstance(value, Tensor))
        fixed = {name: value for name, value in scalars.items() if name not in numbers}
        return cls(rule, numbers, fixed, scale is not None, clip_norm, sizes, decayed is not None)

    def described(self) -> list[Any]:
        """Return what tells this update from others of the same rule, as values of JSON."""
        return [self.numbers, self.fixed, self.scaled, self.clip_norm, self.sizes, self.confined]

    def function(self) -> OnTensors:
        """Return ``(flat, gradient, *state, *numbers[, scale][, decayed]) -> ()``, which writes into the first ones.

        State tensors are in the order of ``rule.slots``, numbers in that of ``numbers``.
        """

        def update(flat: Tensor, gradient: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
            left = iter(rest)
            state = {slot: next(left) for slot in self.rule.slots}
            scalars = {**self.fixed, **{name: next(left) for name in self.numbers}}
            if self.scaled:
                gradient = gradient * next(left)
            if self.clip_norm is not None:
                # as torch.nn.utils.clip_grad_norm_ does, for each row
                norm = gradient.norm(dim=1, keepdim=True)
                gradient = gradient * (self.clip_norm / (norm + 1e-6)).clamp_max(1)
            scalars["decayed"] = next(left) if self.confined else None
            advance(self.rule, flat, gradient, state, scalars, self.sizes)
            return ()

        return update
