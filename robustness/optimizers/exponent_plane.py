"""ExponentPlane: two free exponents, one on the elementwise and one on the global second moment.

``plane_scalars``, ``plane_absorb`` and ``plane_direction`` are the mathematics of the whole family: the rules of
Ada2MS, SMES, Adam and AdamW are written with them, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from robustness.optimizers.base import RuleOptimizer, declared
from robustness.optimizers.ranges import FINITE, Ranges
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


def plane_scalars(step: Scalar, hyper: Hyper, p: Scalar, q: Scalar = 0.0) -> dict[str, Any]:
    """Return the scalars of ``plane_direction``: bias corrections folded into a scale and a floor."""
    adam = adam_scalars(step, hyper)
    return {
        **adam,
        "p": p,
        "q": q,
        "scale": adam["c1"] * _raised(adam["c2"], -p),
        "floor": adam["c1"] * adam["eps"],
    }


def plane_absorb(scalars: Scalars, global_sq: Scalar) -> dict[str, Any]:
    """Take ``G^^q`` into the scale of ``plane_direction``."""
    q = scalars["q"]
    factor = power(global_sq, q) if isinstance(global_sq, Tensor) else _raised(global_sq, q)
    return {**scalars, "scale": scalars["scale"] * factor}


def plane_direction(grad: Tensor, state: State, scalars: Scalars) -> Tensor:
    """Return ``m^ / (v^^p * G^^q + eps)``, the rule of which most optimizers here are special cases.

    With ``c1 = 1 - b1^t`` and ``c2 = 1 - b2^t`` it is computed as ``m / (v^p * (c1 c2^-p G^^q) + c1 eps)``,
    two passes over the tensor fewer. ``c1 eps`` is at least ``smallest``: invisible beside any normal
    denominator, it makes an element whose gradient was always zero ``0 / smallest = 0`` rather than
    ``0 / 0``, even with ``eps = 0``.
    """
    v = state["exp_avg_sq"]
    denominator = (
        power(v, scalars["p"]).mul_(_finite(scalars["scale"], v)).add_(positive(scalars["floor"], v))
    )
    return state["exp_avg"] / denominator


def _raised(x: Scalar, p: Scalar) -> Scalar:
    """Return ``x ** p``; too large or ``0 ** negative`` is infinite where Python would raise."""
    try:
        return x**p
    except (OverflowError, ZeroDivisionError):
        return math.inf


def _finite(value: Scalar, like: Tensor) -> Any:
    """Return a value >= 0, at most the largest number of ``like``'s dtype; infinity times 0 would be NaN."""
    most = torch.finfo(like.dtype).max
    return value.to(like).clamp_max(most) if isinstance(value, Tensor) else min(value, most)


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    return plane_scalars(step, hyper, hyper["p"], hyper["q"])


EXPONENT_PLANE = Rule(("exp_avg", "exp_avg_sq"), _scalars, adam_moments, plane_direction, absorb=plane_absorb)


class ExponentPlane(RuleOptimizer):
    r"""The family that contains AdamW, Ada2MS, SMES and momentum SGD. The family is ours.

        m_t = b1 m_{t-1} + (1-b1) g_t,    m^ = m_t / (1 - b1^t)
        v_t = b2 v_{t-1} + (1-b2) g_t^2,  v^ = v_t / (1 - b2^t)
        G^  = mean of v^ over every element in scope
        theta <- theta (1 - lr wd)
        theta <- theta - lr m^ / (v^^p G^^q + eps)

    | (p, q)                   | rule                             |
    |--------------------------|----------------------------------|
    | (1/2, 0)                 | AdamW                            |
    | (mixing/2, (1-mixing)/2) | Ada2MS                           |
    | (exponent, 0)            | SMES                             |
    | (0, 0)                   | momentum SGD                     |
    | (0, 1/2)                 | normalized momentum SGD          |
    | (-1/2, 0)                | InvAdam but for the place of eps |

    When the gradients are multiplied by ``c`` and ``eps = 0``, the update scales as ``c^(1 - 2(p+q))``: it
    does not change on the line ``p + q = 1/2``, and nowhere else. A parameter without a gradient in this
    step does not enter the mean.

    The arguments that the optimizers share are explained in ``RuleOptimizer``.

    Args:
        p: Exponent of the elementwise second moment, finite.
        q: Exponent of the global second moment, finite.

    Examples:
        Normalized momentum SGD: the gradients 1 and 7 have a root mean square of 5.

        >>> import torch
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([1.0, 7.0])
        >>> ExponentPlane([theta], lr=0.1, weight_decay=0.0, p=0.0, q=0.5).step()
        >>> theta.data
        tensor([-0.0200, -0.1400])

    References:
        None for the family; for its members see ``Ada2MS``, ``SMES`` and ``InvAdam``.
    """

    rule = EXPONENT_PLANE
    ranges: ClassVar[Ranges] = {"p": FINITE, "q": FINITE}

    @declared
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
    ) -> None: ...
