"""InvAdam: momentum multiplied, not divided, by the root of the second moment."""

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
    adam_scalars,
    power,
)


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    adam = adam_scalars(step, hyper)
    return {**adam, "scale": adam["c2"] ** -0.5 / adam["c1"], "shift": adam["eps"] / adam["c1"]}


def _direction(grad: Tensor, state: State, scalars: Scalars) -> Tensor:
    root = power(state["exp_avg_sq"], 0.5)
    return root.mul_(scalars["scale"]).add_(scalars["shift"]).mul_(state["exp_avg"])


INV_ADAM = Rule(("exp_avg", "exp_avg_sq"), _scalars, adam_moments, _direction)


class InvAdam(RuleOptimizer):
    r"""Adam with the inverse preconditioner: elements with large gradients take the larger steps.

        m_t = b1 m_{t-1} + (1-b1) g_t,    m^ = m_t / (1 - b1^t)
        v_t = b2 v_{t-1} + (1-b2) g_t^2,  v^ = v_t / (1 - b2^t)
        theta <- theta (1 - lr wd)
        theta <- theta - lr m^ (sqrt(v^) + eps)

    The update is of the order of the squared gradient: below gradients of 1 it needs learning rates orders of
    magnitude above Adam's. Weight decay is decoupled.

    The arguments that the optimizers share are explained in ``RuleOptimizer``.

    Examples:
        In the first step m^ = g and sqrt(v^) = |g|.

        >>> import torch
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([3.0, -4.0])
        >>> InvAdam([theta], lr=0.1, weight_decay=0.0).step()
        >>> theta.data
        tensor([-0.9000,  1.6000])

    References:
        Shi, Chen, Jin, Zhou, 2026, https://arxiv.org/abs/2603.07122
    """

    rule = INV_ADAM

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
