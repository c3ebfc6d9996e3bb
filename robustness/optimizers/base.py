"""A ``torch.optim.Optimizer`` around a ``Rule``: validation, state, closures, and the scope of ``G``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, ClassVar, NamedTuple, overload

import torch
from torch import Tensor

from robustness.optimizers.rule import Rule, Scalar, begin, finish, mean_dtype, step_scalars

SCOPES = ("model", "tensor")

_NOT_NEGATIVE = (">= 0", lambda x: 0 <= x < math.inf)
_FRACTION = ("in [0, 1]", lambda x: 0 <= x <= 1)
_DECAY_RATE = ("in [0, 1)", lambda x: 0 <= x < 1)
_FINITE = ("finite", lambda x: -math.inf < x < math.inf)
_RANGES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "lr": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "eps": _NOT_NEGATIVE,
    "switch_rate": _NOT_NEGATIVE,
    "beta1": _DECAY_RATE,
    "beta2": _DECAY_RATE,
    "momentum": _DECAY_RATE,
    "mixing": _FRACTION,
    "mixing_end": _FRACTION,
    "mixing_steps": (">= 1", lambda x: 1 <= x < math.inf),
    "exponent": _FINITE,
    "p": _FINITE,
    "q": _FINITE,
}
_CHOICES = {"scope": SCOPES, "mixing_schedule": ("linear", "cosine")}
_OPTIONAL = ("mixing_end", "mixing_steps")


def validate(hyper: Mapping[str, Any]) -> None:
    """Check every hyperparameter that has a known range; names without one are left alone.

    Args:
        hyper: Values by name; ``betas``, where given, is checked as ``beta1`` and ``beta2``.

    Raises:
        ValueError: If a value is out of its range; the message names parameter, rule and value.
        TypeError: If a value that must be a number is not one.
    """
    values = dict(hyper)
    if "betas" in values:
        if not isinstance(values["betas"], (tuple, list)) or len(values["betas"]) != 2:
            raise ValueError(f"betas must be a pair (beta1, beta2), but got {values['betas']!r}")
        values["beta1"], values["beta2"] = values["betas"]
    for name, value in values.items():
        if name in _CHOICES and value not in _CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(_CHOICES[name])}, but got {value!r}")
        if name not in _RANGES or (value is None and name in _OPTIONAL):
            continue
        if isinstance(value, bool) or not isinstance(value, (Real, Tensor)):
            raise TypeError(f"{name} must be a number, but got {value!r}")
        rule, holds = _RANGES[name]
        if not holds(value):
            raise ValueError(f"{name} must be {rule}, but got {value}")
    if values.get("mixing_end") is not None and values.get("mixing_steps") is None:
        raise ValueError(f"mixing_end requires mixing_steps, but got mixing_end={values['mixing_end']} alone")
    if values.get("nesterov") and values.get("momentum") == 0:
        raise ValueError("nesterov requires momentum > 0, but got momentum=0")


class _Job(NamedTuple):
    param: Tensor
    grad: Tensor
    state: dict[str, Any]
    scalars: dict[str, Any]
    scope: str


class RuleOptimizer(torch.optim.Optimizer):
    """Base of the optimizers here: a subclass names its ``rule`` and passes its ``defaults``.

    Every hyperparameter may differ between parameter groups. State is as torch names it: ``exp_avg``,
    ``exp_avg_sq`` or ``momentum_buffer`` in the parameter's dtype, and ``step``, a Python integer.
    ``p.grad`` is never written to.

    Args:
        params: Parameters or parameter groups, as for every torch optimizer.
        defaults: Hyperparameters of groups that do not set their own, ``maximize`` among them.

    Raises:
        ValueError: If a value is out of range.
        TypeError: If a value that must be a number is not one.
    """

    rule: ClassVar[Rule]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Also how load_state_dict ends; in checkpoints of torch's own classes `step` is a tensor, or missing.
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)
        for param_state in self.state.values():
            if param_state:
                param_state["step"] = int(param_state.get("step", 0))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group after checking its hyperparameters.

        Args:
            param_group: ``params`` and any hyperparameters that differ from the defaults.

        Raises:
            ValueError: If a value is out of range.
            TypeError: If a value that must be a number is not one.
        """
        if isinstance(param_group, dict):
            validate({**self.defaults, **param_group})
        super().add_param_group(param_group)

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Do one update of every parameter that has a gradient.

        Args:
            closure: Reevaluates the model and returns the loss.

        Returns:
            What the closure returned, or None.

        Raises:
            RuntimeError: If a gradient is sparse or a parameter complex; then nothing has been updated.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        rule = self.rule
        jobs = self._jobs()
        if rule.absorb is None:
            for param, grad, state, scalars, _ in jobs:
                finish(rule, param, begin(rule, param, grad, state, scalars), state, scalars)
            return loss
        grads = [begin(rule, param, grad, state, scalars) for param, grad, state, scalars, _ in jobs]
        for job, seen, global_sq in zip(jobs, grads, _global_moments(jobs), strict=True):
            finish(rule, job.param, seen, job.state, rule.absorb(job.scalars, global_sq))
        return loss

    def _jobs(self) -> list[_Job]:
        """Collect what is to be updated, and count the step; every check comes before any change."""
        found = [
            (p, p.grad, group) for group in self.param_groups for p in group["params"] if p.grad is not None
        ]
        for param, grad, _ in found:
            if grad.is_sparse or param.is_complex():
                kind = "sparse gradients" if grad.is_sparse else "complex parameters"
                raise RuntimeError(f"{type(self).__name__} does not support {kind}")
        known: dict[tuple[int, int, torch.dtype], dict[str, Any]] = {}  # most parameters share their scalars
        jobs = []
        for param, grad, group in found:
            state = self.state[param]
            if not state:
                state["step"] = 0
                for slot in self.rule.slots:
                    state[slot] = torch.zeros_like(param, memory_format=torch.preserve_format)
            state["step"] += 1
            place = (id(group), state["step"], param.dtype)
            if place not in known:
                known[place] = step_scalars(self.rule, state["step"], _hyper(group), param.dtype)
            grad = -grad if group["maximize"] else grad
            jobs.append(_Job(param, grad, state, known[place], group.get("scope", "model")))
        return jobs


def _hyper(group: dict[str, Any]) -> dict[str, Any]:
    hyper = dict(group)
    if "betas" in group:
        hyper["beta1"], hyper["beta2"] = group["betas"]
    return hyper


def _global_moments(jobs: list[_Job]) -> list[Scalar]:
    """Return ``G^`` for each job, in float32 or better.

    Each tensor's sum is bias-corrected by its own step and ``beta2`` before it enters the mean. Where these
    are the same for all, as they usually are, that is ``G / (1 - beta2**t)``.
    """
    sums = [_total(job.state["exp_avg_sq"]) * job.scalars["global_correction"] for job in jobs]
    sizes = [job.param.numel() for job in jobs]
    model: Scalar = 0.0
    if any(job.scope == "model" for job in jobs):
        home = jobs[0].param.device
        model = sum(s.to(home) if isinstance(s, Tensor) else s for s in sums) / sum(sizes)
    return [
        model if job.scope == "model" else total / size
        for job, total, size in zip(jobs, sums, sizes, strict=True)
    ]


def _total(x: Tensor) -> Scalar:
    """Return the sum: a number on a CPU, where reading it is cheap, else a tensor, to wait for no device."""
    total = x.sum(dtype=mean_dtype(x.dtype))
    return total.item() if x.device.type == "cpu" else total
