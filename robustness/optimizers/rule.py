"""An update rule as functions on tensors, written once for a single model and for K models at a time.

Every hyperparameter, and the step, may be a Python number or a tensor that broadcasts against the parameter.
One parameter tensor with numbers is one model; a flat ``[K, P]`` matrix with hyperparameters of shape
``[K, 1]`` is K models trained at once by the very same functions. Strings and None (``mixing_schedule``,
``mixing_end=None``) are fixed for a whole matrix.

What depends on the step and the hyperparameters alone (bias corrections, schedules) is computed once a step
by ``step_scalars``, apart from what is computed for every element: in Python's floats, or in the tensors'
dtype, best float64. Left inside a compiled kernel, a power of ``[K, 1]`` numbers is raised again for every
vector of elements, which makes a step of a small network twice as slow.

Notation: ``m`` and ``v`` are the exponential moving averages (EMA) of the gradient and its square, a hat
(``m^``) is bias correction by ``1 - beta**t``, ``G`` is the mean of ``v`` over the elements in scope.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor

from robustness.optimizers.fast.powers import LARGEST_EXPONENT, power32

Scalar: TypeAlias = float | Tensor
State: TypeAlias = Mapping[str, Any]
Hyper: TypeAlias = Mapping[str, Any]
Scalars: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """One optimizer's mathematics, without its bookkeeping.

    Attributes:
        slots: Names of the state tensors, each of the parameter's shape and zero before the first step.
        scalars: ``scalars(step, hyper)`` returns, by name, what the other two functions need that is the
            same for every element. ``step`` counts from 1.
        accumulate: ``accumulate(grad, state, scalars)`` updates the state tensors in place. ``grad`` is only
            read.
        direction: ``direction(grad, state, scalars)`` returns ``u``, with ``theta <- theta - lr u``. It may
            return a state tensor itself, so ``u`` must only be read.
        coupled_decay: Whether weight decay is L2, added to the gradient before ``accumulate``
            (torch.optim.SGD and Adam). Otherwise it is decoupled, ``theta <- theta (1 - lr weight_decay)``
            (torch.optim.AdamW).
        absorb: ``absorb(scalars, global_sq)`` returns the scalars for ``direction`` once the bias-corrected
            ``G^`` is known; then ``accumulate`` updates a slot ``exp_avg_sq`` as ``adam_moments`` does. None
            for a rule that does not use ``G``.
    """

    slots: tuple[str, ...]
    scalars: Callable[[Scalar, Hyper], dict[str, Any]]
    accumulate: Callable[[Tensor, State, Scalars], None]
    direction: Callable[[Tensor, State, Scalars], Tensor]
    coupled_decay: bool = False
    absorb: Callable[[Scalars, Scalar], dict[str, Any]] | None = None


def step_scalars(rule: Rule, step: Scalar, hyper: Hyper, dtype: torch.dtype) -> dict[str, Any]:
    """Return, by name, all of an update that is the same for every element.

    Args:
        rule: The rule.
        step: The number of the update, from 1; a tensor of many steps gives the scalars of them all.
        hyper: Hyperparameters by name, ``beta1`` and ``beta2`` among them rather than ``betas``, ``lr`` too;
            ``weight_decay`` is 0 where it is not among them.
        dtype: What tensors are cast to in the end: the parameters' dtype.
    """
    lr, decay = hyper["lr"], hyper.get("weight_decay", 0)
    decays = isinstance(decay, Tensor) or decay != 0
    values = {
        **rule.scalars(step, hyper),
        "lr": lr,
        "l2": decay if decays and rule.coupled_decay else None,
        "shrink": 1 - lr * decay if decays and not rule.coupled_decay else None,
    }
    if rule.absorb is not None:
        values["global_correction"] = 1 / (1 - hyper["beta2"] ** step)
    return {name: v.to(dtype) if isinstance(v, Tensor) else v for name, v in values.items()}


def begin(rule: Rule, param: Tensor, grad: Tensor, state: State, scalars: Scalars) -> Tensor:
    """Take a gradient into the state; the first half of an update.

    Args:
        rule: The rule.
        param: The parameters; only read.
        grad: Their gradient; only read.
        state: The tensors named by ``rule.slots``; updated in place.
        scalars: What ``step_scalars`` returned; where only some elements decay, also ``decayed``, which says
            of each element whether it does.

    Returns:
        The gradient the rule saw, with coupled weight decay where there is any, for ``finish``.
    """
    grad = seen(param, grad, scalars)
    rule.accumulate(grad, state, scalars)
    return grad


def uses_global_moment(rule: Rule, scalars: Scalars) -> bool:
    """Return whether ``G`` makes a difference: it does not where its exponent is the number 0."""
    q = scalars.get("q")
    return rule.absorb is not None and (isinstance(q, Tensor) or q != 0)


def seen(param: Tensor, grad: Tensor, scalars: Scalars) -> Tensor:
    """Return the gradient that a rule sees: with coupled weight decay where there is any."""
    l2, decayed = scalars["l2"], scalars.get("decayed")
    if l2 is None:
        return grad
    if decayed is not None:
        return grad + l2 * param * decayed
    return grad + l2 * param if isinstance(l2, Tensor) else grad.add(param, alpha=l2)


def finish(rule: Rule, param: Tensor, grad: Tensor, state: State, scalars: Scalars) -> None:
    """Move the parameters in place; the second half of an update.

    Args:
        rule: The rule.
        param: The parameters; updated in place.
        grad: What ``begin`` returned.
        state: The state that ``begin`` updated; only read.
        scalars: What ``step_scalars`` returned, after ``rule.absorb`` where the rule has one.
    """
    lr = scalars["lr"]
    update = rule.direction(grad, state, scalars)
    shrink, decayed = scalars["shrink"], scalars.get("decayed")
    if shrink is not None:
        param.mul_(shrink if decayed is None else torch.where(decayed, shrink, 1.0))
    if isinstance(lr, Tensor):
        param.addcmul_(update, lr, value=-1)
    else:
        param.add_(update, alpha=-lr)


def advance(
    rule: Rule,
    param: Tensor,
    grad: Tensor,
    state: State,
    scalars: Scalars,
    sizes: Sequence[int] | None = None,
) -> None:
    """Do one whole update of a flat ``[K, P]`` matrix, or ``[P]`` vector, one model to a row.

    ``param`` and ``state`` are updated in place.

    Args:
        rule: The rule.
        param: The parameters, one model to a row.
        grad: Their gradients.
        state: The tensors named by ``rule.slots``.
        scalars: What ``step_scalars`` returned.
        sizes: How many elements each parameter tensor has along a row, for ``scope="tensor"``; None is
            ``scope="model"``.
    """
    grad = begin(rule, param, grad, state, scalars)
    finish(rule, param, grad, state, absorbed(rule, state, scalars, sizes))


def absorbed(rule: Rule, state: State, scalars: Scalars, sizes: Sequence[int] | None) -> Scalars:
    """Return ``scalars`` after ``rule.absorb`` of each row's ``G^``; arguments as for ``advance``."""
    if rule.absorb is None:
        return scalars
    return rule.absorb(scalars, _row_moments(state["exp_avg_sq"], sizes) * scalars["global_correction"])


def _row_moments(v: Tensor, sizes: Sequence[int] | None) -> Tensor:
    """Return ``G`` of each row, ``[K, 1]``, or of each tensor in it, at its elements, ``[K, P]``."""
    wide = mean_dtype(v.dtype)
    if sizes is None:
        return v.mean(-1, keepdim=True, dtype=wide)
    parts = [part.mean(-1, keepdim=True, dtype=wide).expand_as(part) for part in v.split(list(sizes), -1)]
    return torch.cat(parts, -1)


def adam_scalars(step: Scalar, hyper: Hyper) -> dict[str, Any]:
    """Return the rates ``1 - b1`` and ``1 - b2`` of the moments, and ``c1 = 1 - b1^t``, ``c2 = 1 - b2^t``."""
    b1, b2 = hyper["beta1"], hyper["beta2"]
    return {"m_rate": 1 - b1, "v_rate": 1 - b2, "c1": 1 - b1**step, "c2": 1 - b2**step, "eps": hyper["eps"]}


def adam_moments(grad: Tensor, state: State, scalars: Scalars) -> None:
    """Update ``m = b1 m + (1-b1) g`` and ``v = b2 v + (1-b2) g^2`` in place."""
    ema_(state["exp_avg"], grad, scalars["m_rate"])
    ema_sq_(state["exp_avg_sq"], grad, scalars["v_rate"])


def predicted_total(total: Scalar, grad: Tensor, scalars: Scalars) -> Scalar:
    """Return the sum of ``v`` as ``adam_moments`` will leave it; it is linear in ``v``.

    The rates are rounded to the gradient's dtype, as in ``adam_moments``: over many steps, the rounding of 0.999
    in float32 would add up to 1e-5 of the sum.

    Args:
        total: The sum of ``v`` so far.
        grad: The gradient that the rule will see, a vector.
        scalars: What ``step_scalars`` returned.
    """
    rate = float(scalars["v_rate"])
    square = torch.dot(grad, grad)
    added = square.item() if grad.device.type == "cpu" else square
    return _rounded(1 - rate, grad.dtype) * total + _rounded(rate, grad.dtype) * added


@cache
def _rounded(value: float, dtype: torch.dtype) -> float:
    return torch.tensor(value, dtype=dtype).item()


def power(x: Tensor, p: Scalar) -> Tensor:
    """Return ``x ** p`` for ``x >= 0`` as a new tensor, never NaN.

    ``0 ** 0`` is 1. Where a logarithm or a reciprocal is taken, values under ``smallest`` count as
    ``smallest``, and a power that would overflow there saturates at ``1 / smallest``; so ``0 ** p`` is
    finite for every ``p``, and zero times it is zero.

    Args:
        x: Non-negative values.
        p: A finite exponent, a number or a tensor that broadcasts against ``x``, taken as ``exp(p log x)``.
            The number 0 and multiples of 1/8 up to 1, of either sign, are computed by square roots alone, and
            other numbers of ordinary size, in float32 compiled for a CPU, by polynomials (``power32``).
    """
    if not isinstance(p, Tensor):
        if p == 0:
            return torch.ones_like(x)
        if 8 * abs(p) in range(1, 9):
            eighths = int(8 * abs(p))
            return (
                _root(x, eighths) if p > 0 else _root(x.clamp_min(smallest(x.dtype)), eighths).reciprocal_()
            )
        on_cpu = x.dtype == torch.float32 and x.device.type == "cpu"
        if torch.compiler.is_compiling() and on_cpu and abs(p) <= LARGEST_EXPONENT:
            return power32(x, p)
    tiny = smallest(x.dtype)
    p = p.to(x) if isinstance(p, Tensor) else p
    return x.clamp_min(tiny).log_().mul_(p).clamp_max_(-math.log(tiny)).exp_()


def _root(x: Tensor, eighths: int) -> Tensor:
    """Return ``x ** (eighths / 8)`` as a product of its second, fourth and eighth roots."""
    if eighths == 8:
        return x.clone()
    root, result = x, None
    for bit in (4, 2, 1):
        root = root.sqrt()
        if eighths & bit:
            result = root if result is None else result * root
        if not eighths & (bit - 1):
            break
    assert result is not None  # eighths is in 1 .. 7
    return result


def ema_(average: Tensor, value: Tensor, rate: Scalar) -> None:
    """Update ``average = (1 - rate) * average + rate * value`` in place."""
    average.lerp_(value, rate)


def ema_sq_(average: Tensor, value: Tensor, rate: Scalar) -> None:
    """Update ``average = (1 - rate) * average + rate * value ** 2`` in place."""
    if isinstance(rate, Tensor):
        average.lerp_(value * value, rate)
    else:
        average.mul_(1 - rate).addcmul_(value, value, value=rate)


def positive(value: Scalar, like: Tensor) -> Any:
    """Return ``max(value, smallest)`` in the dtype of ``like``, so that what it is added to is never zero."""
    tiny = smallest(like.dtype)
    return value.to(like).clamp_min(tiny) if isinstance(value, Tensor) else max(value, tiny)


def smallest(dtype: torch.dtype) -> float:
    """Return the number that stands for zero where a logarithm or a reciprocal is taken.

    It is the smallest normal number; for float16, whose smallest normal number of 6e-5 is too large for a stability
    constant, the smallest subnormal one, 2^-24.
    """
    return 2.0**-24 if dtype == torch.float16 else torch.finfo(dtype).tiny


def mean_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype in which a mean over many elements is taken: float32 or better."""
    return torch.float32 if dtype in (torch.float16, torch.bfloat16) else dtype
