"""Ada2MS: from momentum SGD to AdamW, by mixing a global and an elementwise second moment."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from robustness.optimizers.base import RuleOptimizer, declared
from robustness.optimizers.exponent_plane import plane_absorb, plane_direction, plane_scalars
from robustness.optimizers.ranges import AT_LEAST_ONE, FRACTION, Ranges
from robustness.optimizers.rule import Hyper, Rule, Scalar, adam_moments


def mixing_at(step: Scalar, hyper: Hyper) -> Scalar:
    """Return the mixing of update ``step``, counted from 1.

    With ``x = min(1, (step - 1) / mixing_steps)``, linear gives ``mixing + (mixing_end - mixing) x`` and
    cosine ``mixing + (mixing_end - mixing) (1 - cos(pi x)) / 2``: the first update has ``mixing``, update
    ``mixing_steps + 1`` and all later ones ``mixing_end``.
    """
    start, end = hyper["mixing"], hyper.get("mixing_end")
    if end is None:
        return start
    done = (step - 1) / hyper["mixing_steps"]
    done = done.clamp_max(1) if isinstance(done, Tensor) else min(1.0, done)
    if hyper["mixing_schedule"] == "cosine":
        turn = math.pi * done
        done = (1 - (torch.cos(turn) if isinstance(turn, Tensor) else math.cos(turn))) / 2
    return start + (end - start) * done


def _scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    mixing = mixing_at(step, hyper)
    return plane_scalars(step, hyper, mixing / 2, (1 - mixing) / 2)


ADA2MS = Rule(("exp_avg", "exp_avg_sq"), _scalars, adam_moments, plane_direction, absorb=plane_absorb)


class Ada2MS(RuleOptimizer):
    r"""Adam with a weighted geometric mean of the elementwise and the global second moment.

        m_t = b1 m_{t-1} + (1-b1) g_t,    m^ = m_t / (1 - b1^t)
        v_t = b2 v_{t-1} + (1-b2) g_t^2,  v^ = v_t / (1 - b2^t)
        G^  = mean of v^ over every element in scope
        theta <- theta (1 - lr wd)
        theta <- theta - lr m^ / (v^^(mixing/2) G^^((1-mixing)/2) + eps)

    ``mixing = 1`` is AdamW; ``mixing = 0`` gives every element the same step size, as momentum SGD does, and is
    AdaSGD (Wang, Wiens 2020) but for the form of its momentum. For ``eps = 0`` the update does not depend on the
    scale of the gradients, whatever ``mixing``.

    Our reimplementation from the abstract: the authors' code is not released. Our choices are to read
    "continuous exponential interpolation between elementwise and global second-moment estimates" as the
    weighted geometric mean, the mean over all parameters as the global estimate, one ``eps`` added to the
    whole denominator, decoupled weight decay, and the mixing schedule. A parameter without a gradient in
    this step does not enter the mean.

    The arguments that the optimizers share are explained in ``RuleOptimizer``.

    Args:
        mixing: Share of the elementwise moment in the exponent, in [0, 1].
        mixing_end: The mixing at the end of its schedule, in [0, 1]; None keeps it at ``mixing``.
        mixing_steps: Updates after which it is reached, >= 1, and then kept. Required with ``mixing_end``.
        mixing_schedule: The path there: ``linear`` or ``cosine``.

    Raises:
        ValueError: If a value is out of range, or ``mixing_end`` comes without ``mixing_steps``.
        TypeError: If a value that must be a number is not one.

    Examples:
        The first step with gradients 1 and 7, so m^ = g, v^ = (1, 49) and G^ = 25. Adam divides g by (1, 7),
        normalized momentum SGD by 5; half of each by sqrt(5) and sqrt(35).

        >>> import torch
        >>> theta = torch.nn.Parameter(torch.zeros(2))
        >>> theta.grad = torch.tensor([1.0, 7.0])
        >>> Ada2MS([theta], lr=0.1, weight_decay=0.0, mixing=0.5).step()
        >>> theta.data
        tensor([-0.0447, -0.1183])

    References:
        Zhu, Xiao, Min, 2026, https://arxiv.org/abs/2605.20533 (the abstract). For ``mixing = 0``: Wang, Wiens, 2020,
        https://arxiv.org/abs/2006.16541
    """

    rule = ADA2MS
    ranges: ClassVar[Ranges] = {
        "mixing": FRACTION,
        "mixing_end": FRACTION.or_none(),
        "mixing_steps": AT_LEAST_ONE.or_none(),
        "mixing_schedule": ("linear", "cosine"),
    }

    @declared
    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        mixing: float = 0.5,
        scope: str = "model",
        mixing_end: float | None = None,
        mixing_steps: int | None = None,
        mixing_schedule: str = "linear",
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        compile: bool = False,
    ) -> None: ...

    @classmethod
    def check(cls, hyper: Mapping[str, Any]) -> None:
        """Check hyperparameters by themselves and with each other, as ``RuleOptimizer.check`` does."""
        super().check(hyper)
        if hyper.get("mixing_end") is not None and hyper.get("mixing_steps") is None:
            raise ValueError(
                f"mixing_end requires mixing_steps, but got mixing_end={hyper['mixing_end']} alone"
            )
