"""The rules of torch's own optimizers, so that a pack can train with these as well.

The classes remain torch's; each rule here is tested to equal its class.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from robustness.optimizers.exponent_plane import plane_direction, plane_scalars
from robustness.optimizers.rule import Hyper, Rule, Scalar, adam_moments
from robustness.optimizers.sgdw import SGD_RULE

__all__ = ["ADAM", "ADAMW", "SGD_RULE"]


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    return plane_scalars(step, hyper, 0.5)


ADAMW = Rule(("exp_avg", "exp_avg_sq"), _scalars, adam_moments, plane_direction)
"""torch.optim.AdamW without amsgrad."""

ADAM = replace(ADAMW, coupled_decay=True)
"""torch.optim.Adam without amsgrad."""
