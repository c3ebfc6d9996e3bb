"""AdaMomentum: Adam whose second moment is of the momentum instead of the gradient."""

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
    adam_scalars,
    ema_,
    ema_sq_,
    positive,
    power,
)


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    adam = adam_scalars(step, hyper)
    return {**adam, "scale": adam["c1"] * adam["c2"] ** -0.5}


def _accumulate(grad: Tensor, state: State, scalars: Scalars) -> None:
    m, s = state["exp_avg"], state["exp_avg_sq"]
    ema_(m, grad, scalars["m_rate"])
    ema_sq_(s, m, scalars["v_rate"])
    s.add_(positive(scalars["eps"], s))


def _direction(grad: Tensor, state: State, scalars: Scalars) -> Tensor:
    return state["exp_avg"] / power(state["exp_avg_sq"], 0.5).mul_(scalars["scale"])


ADAMOMENTUM = Rule(("exp_avg", "exp_avg_sq"), _scalars, _accumulate, _direction)


class AdaMomentum(RuleOptimizer):
    r"""Adam with the exponential moving average of the squared momentum as its second moment.

        m_t = b1 m_{t-1} + (1-b1) g_t,          m^ = m_t / (1 - b1^t)
        s_t = b2 s_{t-1} + (1-b2) m_t^2 + eps,  s^ = s_t / (1 - b2^t)
        theta <- theta (1 - lr wd)
        theta <- theta - lr m^ / sqrt(s^)

    ``eps`` is added inside at every step and nowhere else; it adds up to ``eps / (1-b2)`` in ``s^``.

    Our choices: decoupled weight decay, and that ``eps = 0`` is taken as the smallest normal number, so that
    an element whose gradient is always zero stays where it is.

    The arguments that the optimizers share are explained in ``RuleOptimizer``.

    Args:
        eps: Added to the second moment at every step, >= 0.

    Examples:
        In the first step m = 0.1 g and s = 0.001 m^2 + eps, so m^ = g and sqrt(s^) = 0.1 |g|: ten times
        Adam's step.

        >>> import torch
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([3.0, -4.0])
        >>> AdaMomentum([theta], lr=0.1, eps=0.0, weight_decay=0.0).step()
        >>> theta.data
        tensor([-1.0000,  1.0000])

    References:
        Wang et al., 2021, https://arxiv.org/abs/2106.11514
    """

    rule = ADAMOMENTUM

    @declared
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        compile: bool = False,
    ) -> None: ...
