"""SMES: Adam with a free exponent on the second moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from robustness.optimizers.base import RuleOptimizer, declared
from robustness.optimizers.exponent_plane import plane_direction, plane_scalars
from robustness.optimizers.ranges import FINITE, Ranges
from robustness.optimizers.rule import Hyper, Rule, Scalar, adam_moments


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    return plane_scalars(step, hyper, hyper["exponent"])


SMES_RULE = Rule(("exp_avg", "exp_avg_sq"), _scalars, adam_moments, plane_direction)


class SMES(RuleOptimizer):
    r"""Adam with the second moment raised to any exponent.

        m_t = b1 m_{t-1} + (1-b1) g_t,    m^ = m_t / (1 - b1^t)
        v_t = b2 v_{t-1} + (1-b2) g_t^2,  v^ = v_t / (1 - b2^t)
        theta <- theta (1 - lr wd)
        theta <- theta - lr m^ / (v^^exponent + eps)

    An exponent of 0 is momentum SGD, 0.5 Adam, -0.5 InvAdam but for the place of ``eps``. Padam
    (Chen et al., 2018, https://arxiv.org/abs/1806.06763) without AMSGrad is the same but for its bias correction,
    by a square root whatever the exponent, the place of ``eps``, and its coupled weight decay. Our choice: weight
    decay, if any, is decoupled.

    The arguments that the optimizers share are explained in ``RuleOptimizer``.

    Args:
        exponent: Exponent of the second moment, finite.

    Examples:
        In the first step m^ = g and v^^(1/4) = sqrt(|g|).

        >>> import torch
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([4.0, -9.0])
        >>> SMES([theta], lr=0.1, exponent=0.25).step()
        >>> theta.data
        tensor([-0.2000,  0.3000])

    References:
        Zhang, Liu, 2024, https://arxiv.org/abs/2405.18498
    """

    rule = SMES_RULE
    ranges: ClassVar[Ranges] = {"exponent": FINITE}

    @declared
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        exponent: float = 0.25,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        compile: bool = False,
    ) -> None: ...
