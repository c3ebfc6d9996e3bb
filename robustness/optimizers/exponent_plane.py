"""ExponentPlane: two free exponents, one on the elementwise and one on the global second moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from robustness.optimizers.base import RuleOptimizer
from robustness.optimizers.rule import (
    Hyper,
    Rule,
    Scalar,
    adam_moments,
    plane_absorb,
    plane_direction,
    plane_scalars,
)


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    return plane_scalars(step, hyper, hyper["p"], hyper["q"])


EXPONENT_PLANE = Rule(("exp_avg", "exp_avg_sq"), _scalars, adam_moments, plane_direction, absorb=plane_absorb)


class ExponentPlane(RuleOptimizer):
    r"""The family that holds AdamW, Ada2MS, SMES and momentum SGD. It is ours.

        m_t = b1 m_{t-1} + (1-b1) g_t,    m^ = m_t / (1 - b1^t)
        v_t = b2 v_{t-1} + (1-b2) g_t^2,  v^ = v_t / (1 - b2^t)
        G^  = mean of v^ over every element in scope
        theta <- theta (1 - lr wd)
        theta <- theta - lr m^ / (v^^p G^^q + eps)

    ============================  =============================
    (p, q)                        the rule
    ============================  =============================
    (1/2, 0)                      AdamW
    (mixing/2, (1-mixing)/2)      Ada2MS
    (exponent, 0)                 SMES
    (0, 0)                        momentum SGD
    (0, 1/2)                      normalized momentum SGD
    (-1/2, 0)                     InvAdam, up to where eps sits
    ============================  =============================

    When the gradients are multiplied by ``c`` and ``eps = 0``, the update scales as ``c^(1 - 2(p+q))``: it
    does not change on the line ``p + q = 1/2``, and nowhere else. A parameter without a gradient in this
    step is out of the mean.

    Args:
        params: Parameters or parameter groups.
        lr: Learning rate, >= 0.
        betas: Decay rates of the two moments, each in [0, 1).
        eps: Added to the denominator, >= 0.
        weight_decay: Decoupled weight decay, >= 0.
        p: Exponent of the elementwise second moment, finite.
        q: Exponent of the global second moment, finite.
        scope: Over what ``G`` is the mean: ``model`` (all parameters the optimizer holds, by element) or
            ``tensor`` (each parameter tensor its own).
        maximize: Whether to ascend.
        foreach: Whether to update several parameters at a time; see ``RuleOptimizer``.
        compile: Whether to compile the update; see ``RuleOptimizer``.

    Raises:
        ValueError: If a value is out of range.
        TypeError: If a value that must be a number is not one.

    Examples:
        Normalized momentum SGD: the gradients 1 and 7 have a root mean square of 5.

        >>> import torch
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([1.0, 7.0])
        >>> ExponentPlane([theta], lr=0.1, weight_decay=0.0, p=0.0, q=0.5).step()
        >>> theta.data
        tensor([-0.0200, -0.1400])

    References:
        None: the family is ours. Its members are those of ``Ada2MS``, ``SMES`` and ``InvAdam``.
    """

    rule = EXPONENT_PLANE

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        p: float = 0.5,
        q: float = 0.0,
        scope: str = "model",
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        compile: bool = False,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "p": p, "q": q}
        defaults |= {"scope": scope}
        super().__init__(params, defaults | {"maximize": maximize, "foreach": foreach, "compile": compile})
