"""The spread of the second moment within and between parameters: how far elementwise and global moment differ."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from robustness.training.results import MomentSpread

QUANTILES = (0.05, 0.5, 0.95)


@torch.no_grad()
def moment_spreads(epoch: int, moments: Mapping[str, Tensor]) -> list[MomentSpread]:
    """Return the spread of ``log10 v`` in each parameter.

    An optimizer with the elementwise moment divides by ``sqrt(v)``, one with the global moment by ``sqrt(G)``: where
    ``log10 v`` is close to ``log10 G``, within and between layers, the two move alike. Bias correction shifts all
    of these by the same amount and is left out.

    Args:
        epoch: The last epoch trained.
        moments: ``v`` by the parameter's name.
    """
    if not moments:
        return []
    total = sum(float(moment.double().sum()) for moment in moments.values())
    count = sum(moment.numel() for moment in moments.values())
    log_global = math.log10(total / count) if total > 0 else None
    spreads = []
    for layer, moment in moments.items():
        positive = moment[moment > 0].double().log10().sort().values
        low, median, high = (_quantile(positive, q) for q in QUANTILES)
        zeros = 1 - len(positive) / moment.numel()
        spreads.append(MomentSpread(epoch, layer, moment.numel(), zeros, low, median, high, log_global))
    return spreads


def _quantile(ordered: Tensor, q: float) -> float | None:
    """Return the ``q`` quantile of sorted values, linearly interpolated; torch's own takes at most 2^24."""
    if not len(ordered):
        return None
    position = q * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (position - below) * (ordered[above] - ordered[below]))
