"""SGDW: momentum SGD with decoupled weight decay, and the rule it shares with torch's SGD."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from robustness.optimizers.base import RuleOptimizer, declared
from robustness.optimizers.rule import Hyper, Rule, Scalar, Scalars, State


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    return {"momentum": hyper["momentum"], "nesterov": hyper["nesterov"]}


def _accumulate(grad: Tensor, state: State, scalars: Scalars) -> None:
    state["momentum_buffer"].mul_(scalars["momentum"]).add_(grad)


def _direction(grad: Tensor, state: State, scalars: Scalars) -> Tensor:
    buffer, momentum, nesterov = state["momentum_buffer"], scalars["momentum"], scalars["nesterov"]
    if isinstance(nesterov, Tensor):
        return torch.where(nesterov.bool(), grad + momentum * buffer, buffer)
    return grad + momentum * buffer if nesterov else buffer


SGDW_RULE = Rule(("momentum_buffer",), _scalars, _accumulate, _direction)
SGD_RULE = replace(SGDW_RULE, coupled_decay=True)
"""torch.optim.SGD without dampening."""


class SGDW(RuleOptimizer):
    r"""torch.optim.SGD with decoupled instead of coupled (L2) weight decay.

        m_t = momentum m_{t-1} + g_t
        theta <- theta (1 - lr wd)
        theta <- theta - lr m_t                       plain
        theta <- theta - lr (g_t + momentum m_t)      nesterov

    Our choice: the default momentum is 0.9, where torch's SGD has 0.

    The arguments that the optimizers share are explained in ``RuleOptimizer``.

    Args:
        momentum: Decay rate of the sum of gradients, in [0, 1).
        nesterov: Whether to use Nesterov's momentum; requires momentum > 0.

    Examples:
        >>> import torch
        >>> theta = torch.nn.Parameter(torch.ones(2))
        >>> theta.grad = torch.tensor([3.0, -4.0])
        >>> SGDW([theta], lr=0.1, momentum=0.9, weight_decay=0.5).step()
        >>> theta.data
        tensor([0.6500, 1.3500])

    References:
        Loshchilov, Hutter, 2019, https://arxiv.org/abs/1711.05101
    """

    rule = SGDW_RULE

    @declared
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        compile: bool = False,
    ) -> None: ...
