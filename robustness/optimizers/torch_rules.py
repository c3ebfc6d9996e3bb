"""The rules of torch's own optimizers, so that whatever runs rules can run these as well.

The classes stay torch's: each rule here is tested to equal its class.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from robustness.optimizers.rule import Hyper, Rule, Scalar, State, adam_moments, plane_direction
from robustness.optimizers.sgdw import SGD_RULE

__all__ = ["ADAM", "ADAMW", "SGD_RULE"]


def _direction(grad: Tensor, state: State, step: Scalar, hyper: Hyper, global_sq: Scalar | None) -> Tensor:
    return plane_direction(state, step, hyper, 0.5)


ADAMW = Rule(("exp_avg", "exp_avg_sq"), adam_moments, _direction)
"""torch.optim.AdamW without amsgrad."""

ADAM = replace(ADAMW, coupled_decay=True)
"""torch.optim.Adam without amsgrad."""
