"""AdamNX: Adam whose decay rates grow with the step, so that no bias correction is needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from robustness.optimizers.base import RuleOptimizer, declared
from robustness.optimizers.rule import (
    Hyper,
    Rule,
    Scalar,
    Scalars,
    State,
    adam_moments,
    positive,
    power,
)


def decay_rates(step: Scalar, beta1: Scalar, beta2: Scalar) -> tuple[Scalar, Scalar]:
    """Return ``b1_t`` and ``b2_t`` of the class docstring; both are 0 at ``t = 1``."""
    first = (beta1 - beta1**step) / (1 - beta1**step)
    rate = 1 - beta2
    second = (1 - beta2 ** (rate * (step - 1))) / (1 - beta2 ** (rate * step))
    return first, second


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    first, second = decay_rates(step, hyper["beta1"], hyper["beta2"])
    return {"m_rate": 1 - first, "v_rate": 1 - second, "eps": hyper["eps"]}


def _direction(grad: Tensor, state: State, scalars: Scalars) -> Tensor:
    v = state["exp_avg_sq"]
    return state["exp_avg"] / power(v, 0.5).add_(positive(scalars["eps"], v))


ADAMNX = Rule(("exp_avg", "exp_avg_sq"), _scalars, adam_moments, _direction)


class AdamNX(RuleOptimizer):
    r"""Adam with decay rates that start at 0 and grow, the second one towards 1.

        b1_t = (b1 - b1^t) / (1 - b1^t)
        b2_t = (1 - b2^((1-b2)(t-1))) / (1 - b2^((1-b2) t))
        m_t  = b1_t m_{t-1} + (1 - b1_t) g_t
        v_t  = b2_t v_{t-1} + (1 - b2_t) g_t^2
        theta <- theta (1 - lr wd)
        theta <- theta - lr m_t / (sqrt(v_t) + eps)

    ``m_t`` is Adam's bias-corrected first moment. The first update has ``m = g`` and ``v = g^2``; as ``t``
    grows, ``b2_t`` nears 1 and the step size settles, as in momentum SGD. Weight decay is decoupled.

    The arguments that the optimizers share are explained in ``RuleOptimizer``.

    Examples:
        >>> import torch
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([3.0, -4.0])
        >>> AdamNX([theta], lr=0.1, weight_decay=0.0).step()
        >>> theta.data
        tensor([-0.1000,  0.1000])

    References:
        Zhu, Xiao, Min, 2025, https://arxiv.org/abs/2511.13465
    """

    rule = ADAMNX

    @declared
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        compile: bool = False,
    ) -> None: ...
