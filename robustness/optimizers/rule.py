"""An update rule as functions on tensors, written once for a single model and for K models at a time.

Every hyperparameter, and the step, may be a Python number or a tensor that broadcasts against the parameter.
One parameter tensor with numbers is one model; a flat ``[K, P]`` matrix with hyperparameters of shape
``[K, 1]`` is K models trained at once by the very same functions. Give tensor hyperparameters and a tensor
step in float64: the few scalar operations are done in their precision and cast to the parameter's only
where they meet it. Strings and None (``mixing_schedule``, ``mixing_end=None``) are fixed for a whole matrix.

Notation: ``m`` and ``v`` are the exponential moving averages (EMA) of the gradient and its square, a hat
(``m^``) is bias correction by ``1 - beta**t``, ``G`` is the mean of ``v`` over the elements in scope.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

Scalar: TypeAlias = float | Tensor
State: TypeAlias = Mapping[str, Any]
Hyper: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One optimizer's mathematics, without its bookkeeping.

    Attributes:
        slots: Names of the state tensors, each of the parameter's shape and zero before the first step.
        accumulate: ``accumulate(grad, state, step, hyper)`` updates the state tensors in place. ``step``
            counts from 1. ``grad`` is only read.
        direction: ``direction(grad, state, step, hyper, global_sq)`` returns ``u``, with
            ``theta <- theta - lr u``. It may return a state tensor itself, so ``u`` must only be read.
            ``global_sq`` is the bias-corrected ``G^``, or None for a rule that does not use it.
        coupled_decay: Whether weight decay is L2, added to the gradient before ``accumulate``
            (torch.optim.SGD and Adam). Otherwise it is decoupled, ``theta <- theta (1 - lr weight_decay)``
            (torch.optim.AdamW).
        uses_global: Whether ``direction`` needs ``G^``; then there is a slot ``exp_avg_sq``.
    """

    slots: tuple[str, ...]
    accumulate: Callable[[Tensor, State, Scalar, Hyper], None]
    direction: Callable[[Tensor, State, Scalar, Hyper, Scalar | None], Tensor]
    coupled_decay: bool = False
    uses_global: bool = False


def begin(rule: Rule, param: Tensor, grad: Tensor, state: State, step: Scalar, hyper: Hyper) -> Tensor:
    """Take a gradient into the state; the first half of an update.

    Args:
        rule: The rule.
        param: The parameters; only read.
        grad: Their gradient; only read.
        state: The tensors named by ``rule.slots``; updated in place.
        step: The number of this update, from 1.
        hyper: Hyperparameters by name, ``beta1`` and ``beta2`` among them rather than ``betas``.

    Returns:
        The gradient the rule saw, with coupled weight decay where there is any; ``finish`` wants it.
    """
    decay = hyper["weight_decay"]
    if rule.coupled_decay and _matters(decay):
        grad = (
            grad + cast(decay, param) * param if isinstance(decay, Tensor) else grad.add(param, alpha=decay)
        )
    rule.accumulate(grad, state, step, hyper)
    return grad


def finish(
    rule: Rule,
    param: Tensor,
    grad: Tensor,
    state: State,
    step: Scalar,
    hyper: Hyper,
    global_sq: Scalar | None = None,
) -> None:
    """Move the parameters in place, given ``G^``; the second half of an update.

    Args:
        rule: The rule.
        param: The parameters; updated in place.
        grad: What ``begin`` returned.
        state: The state that ``begin`` updated; only read.
        step: The number of this update, from 1.
        hyper: Hyperparameters by name, ``lr`` and ``weight_decay`` among them.
        global_sq: The bias-corrected global second moment ``G^``, a number or a tensor that broadcasts
            against ``param`` (0-d, or ``[K, 1]``); None where ``rule.uses_global`` is false.
    """
    lr, decay = hyper["lr"], hyper["weight_decay"]
    update = rule.direction(grad, state, step, hyper, global_sq)
    if not rule.coupled_decay and _matters(decay):
        param.mul_(cast(1 - lr * decay, param))
    if isinstance(lr, Tensor):
        param.addcmul_(update, cast(lr, param), value=-1)
    else:
        param.add_(update, alpha=-lr)


def advance(
    rule: Rule,
    param: Tensor,
    grad: Tensor,
    state: State,
    step: Scalar,
    hyper: Hyper,
    sizes: Sequence[int] | None = None,
) -> None:
    """Do one whole update of a flat ``[K, P]`` matrix, or ``[P]`` vector, each row a model of its own.

    Arguments as for ``begin``; ``param`` and ``state`` are updated in place.

    Args:
        rule: The rule.
        param: The parameters, a row a model.
        grad: Their gradients.
        state: The tensors named by ``rule.slots``.
        step: The number of this update, from 1.
        hyper: Hyperparameters by name; ``scope`` is one string for all models.
        sizes: How many elements each parameter tensor has along a row; needed for ``scope="tensor"`` alone.
    """
    grad = begin(rule, param, grad, state, step, hyper)
    global_sq = _row_moments(state["exp_avg_sq"], step, hyper, sizes) if rule.uses_global else None
    finish(rule, param, grad, state, step, hyper, global_sq)


def _row_moments(v: Tensor, step: Scalar, hyper: Hyper, sizes: Sequence[int] | None) -> Tensor:
    """Return ``G^`` of each row, ``[K, 1]``, or of each tensor in it, at its elements, ``[K, P]``."""
    correction = 1 - hyper["beta2"] ** step
    wide = mean_dtype(v.dtype)
    if hyper["scope"] == "model":
        return v.mean(-1, keepdim=True, dtype=wide) / correction
    if sizes is None:
        raise ValueError('scope="tensor" needs the sizes of the parameter tensors, but got sizes=None')
    parts = [part.mean(-1, keepdim=True, dtype=wide).expand_as(part) for part in v.split(list(sizes), -1)]
    return torch.cat(parts, -1) / correction


def adam_moments(grad: Tensor, state: State, step: Scalar, hyper: Hyper) -> None:
    """Update ``m = b1 m + (1-b1) g`` and ``v = b2 v + (1-b2) g^2`` in place."""
    ema_(state["exp_avg"], grad, hyper["beta1"])
    ema_sq_(state["exp_avg_sq"], grad, hyper["beta2"])


def plane_direction(
    state: State, step: Scalar, hyper: Hyper, p: Scalar, q: Scalar = 0.0, global_sq: Scalar | None = None
) -> Tensor:
    """Return ``m^ / (v^^p * G^^q + eps)``, the rule that most of the optimizers are a case of.

    Bias corrections are folded into the scalars: with ``c1 = 1 - b1^t`` and ``c2 = 1 - b2^t`` it is
    computed as ``m / (v^p * (c1 c2^-p G^^q) + c1 eps)``, two passes over the tensor fewer. ``c1 eps`` is at
    least ``smallest``: invisible beside any normal denominator, it makes an element whose gradient was
    always zero ``0 / smallest = 0`` rather than ``0 / 0``, even with ``eps = 0``.
    """
    v = state["exp_avg_sq"]
    c1 = 1 - hyper["beta1"] ** step
    c2 = 1 - hyper["beta2"] ** step
    scale = c1 * _raised(c2, -p)
    if global_sq is not None:
        scale = scale * (power(global_sq, q) if isinstance(global_sq, Tensor) else _raised(global_sq, q))
    denominator = power(v, p).mul_(_finite(scale, v)).add_(positive(c1 * hyper["eps"], v))
    return state["exp_avg"] / denominator


def power(x: Tensor, p: Scalar) -> Tensor:
    """Return ``x ** p`` for ``x >= 0`` as a new tensor, never NaN.

    ``0 ** 0`` is 1. Where a logarithm or a reciprocal is taken, values under ``smallest`` count as
    ``smallest``, and a power that would overflow there saturates at ``1 / smallest``; so ``0 ** p`` is
    finite for every ``p``, and zero times it is zero.

    Args:
        x: Non-negative values.
        p: A finite exponent, a number or a tensor that broadcasts against ``x``, taken as ``exp(p log x)``.
            The numbers 0, and 1, 1/2, 1/4, 1/8 of either sign, need square roots alone.
    """
    if not isinstance(p, Tensor):
        if p == 0:
            return torch.ones_like(x)
        roots = _SQUARE_ROOTS.get(abs(p))
        if roots is not None:
            return _root(x, roots) if p > 0 else _root(x.clamp_min(smallest(x.dtype)), roots).reciprocal_()
    tiny = smallest(x.dtype)
    if isinstance(p, Tensor):
        p = p.to(x)
        floor: Scalar = tiny ** (1 / p.neg().clamp_min(1))
        return (torch.maximum(x, cast(floor, x)).log_() * p).exp_()
    return x.clamp_min(tiny ** (1 / max(1.0, -p))).log_().mul_(p).exp_()


_SQUARE_ROOTS = {1.0: 0, 0.5: 1, 0.25: 2, 0.125: 3}


def _root(x: Tensor, times: int) -> Tensor:
    if times == 0:
        return x.clone()
    root = x.sqrt()
    for _ in range(times - 1):
        root.sqrt_()
    return root


def ema_(average: Tensor, value: Tensor, beta: Scalar) -> None:
    """Update ``average = beta * average + (1 - beta) * value`` in place."""
    average.lerp_(value, cast(1 - beta, average))


def ema_sq_(average: Tensor, value: Tensor, beta: Scalar) -> None:
    """Update ``average = beta * average + (1 - beta) * value ** 2`` in place."""
    if isinstance(beta, Tensor):
        average.lerp_(value * value, cast(1 - beta, average))
    else:
        average.mul_(beta).addcmul_(value, value, value=1 - beta)


def cast(value: Scalar, like: Tensor) -> Any:
    """Return a tensor value in the dtype and on the device of ``like``; a number as it is."""
    return value.to(like) if isinstance(value, Tensor) else value


def positive(value: Scalar, like: Tensor) -> Any:
    """Return ``max(value, smallest)`` in the dtype of ``like``, so that what it is added to is never zero."""
    tiny = smallest(like.dtype)
    return value.to(like).clamp_min(tiny) if isinstance(value, Tensor) else max(value, tiny)


def smallest(dtype: torch.dtype) -> float:
    """Return the smallest positive number used: the least normal one, for float16 the least of all (2^-24).

    Float16's least normal number, 6e-5, would be no small stability constant.
    """
    return 2.0**-24 if dtype == torch.float16 else torch.finfo(dtype).tiny


def mean_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype in which a mean over many elements is taken: float32 or better."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype


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


def _matters(decay: Scalar) -> bool:
    return isinstance(decay, Tensor) or decay != 0
