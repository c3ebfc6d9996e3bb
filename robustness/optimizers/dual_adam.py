"""DualAdam: InvAdam at first, Adam in the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from torch import Tensor

from robustness.optimizers.base import RuleOptimizer, declared
from robustness.optimizers.ranges import NOT_NEGATIVE, Ranges
from robustness.optimizers.rule import (
    Hyper,
    Rule,
    Scalar,
    Scalars,
    State,
    adam_moments,
    adam_scalars,
    positive,
    power,
)


def inverse_share(step: Scalar, switch_rate: Scalar) -> Scalar:
    """Return ``a_t = max(0, 1 - switch_rate * t)``, the weight of InvAdam's part in update ``t``."""
    share = 1 - switch_rate * step
    return share.clamp_min(0) if isinstance(share, Tensor) else max(0.0, share)


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    adam, a = adam_scalars(step, hyper), inverse_share(step, hyper["switch_rate"])
    return {**adam, "scale": adam["c2"] ** -0.5, "adam": (1 - a) / adam["c1"], "inverse": a / adam["c1"]}


def _direction(grad: Tensor, state: State, scalars: Scalars) -> Tensor:
    v, inverse = state["exp_avg_sq"], scalars["inverse"]
    root = power(v, 0.5).mul_(scalars["scale"]).add_(positive(scalars["eps"], v))
    factor = scalars["adam"] / root
    if isinstance(inverse, Tensor) or inverse > 0:
        factor.add_(root.mul_(inverse))
    return factor.mul_(state["exp_avg"])


DUAL_ADAM = Rule(("exp_avg", "exp_avg_sq"), _scalars, adam_moments, _direction)


class DualAdam(RuleOptimizer):
    r"""A weighted sum of InvAdam's and Adam's updates whose weight moves linearly to Adam.

        m_t = b1 m_{t-1} + (1-b1) g_t,    m^ = m_t / (1 - b1^t)
        v_t = b2 v_{t-1} + (1-b2) g_t^2,  v^ = v_t / (1 - b2^t)
        a_t = max(0, 1 - switch_rate t)
        theta <- theta (1 - lr wd)
        theta <- theta - lr (a_t m^ (sqrt(v^) + eps) + (1-a_t) m^ / (sqrt(v^) + eps))

    Our choices: the default ``switch_rate`` is that of the authors' experiments (their class has 0.01), and
    the formula is kept to the end, where their code changes to Adam one step earlier, as soon as
    ``a_t < switch_rate``. Weight decay is decoupled.

    The arguments that the optimizers share are explained in ``RuleOptimizer``.

    Args:
        switch_rate: Decrease of InvAdam's share per update, >= 0; with 1 or more the rule is AdamW.

    Examples:
        In the first step m^ = g and sqrt(v^) = |g|, and with a switch_rate of 0.5 half of each rule is taken.

        >>> import torch
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([3.0, -4.0])
        >>> DualAdam([theta], lr=0.1, weight_decay=0.0, switch_rate=0.5).step()
        >>> theta.data
        tensor([-0.5000,  0.8500])

    References:
        Shi, Chen, Jin, Zhou, 2026, https://arxiv.org/abs/2603.07122
    """

    rule = DUAL_ADAM
    ranges: ClassVar[Ranges] = {"switch_rate": NOT_NEGATIVE}

    @declared
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        switch_rate: float = 8e-5,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        compile: bool = False,
    ) -> None: ...
