"""A ``torch.optim.Optimizer`` around a ``Rule``: validation, state, closures, and the scope of ``G``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from numbers import Real
from typing import Any, ClassVar, overload

import torch
from torch import Tensor

from robustness.optimizers.fast import Vectors, arranged, run, with_betas
from robustness.optimizers.rule import Rule, step_scalars
from robustness.optimizers.vectors import Job

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


class RuleOptimizer(torch.optim.Optimizer):
    """Base of the optimizers here: a subclass names its ``rule`` and passes its ``defaults``.

    Every hyperparameter may differ between parameter groups. State is as torch names it: ``exp_avg``,
    ``exp_avg_sq`` or ``momentum_buffer`` in the parameter's dtype, and ``step``, a Python integer.
    ``p.grad`` is never written to.

    How an update is computed is up to three flags of a group, which change its numbers by rounding at most:

    * ``foreach=False`` takes the parameters one by one, as they are.
    * ``foreach=True``, and None, the default, gathers small parameters into one vector and, on a CPU, updates
      long ones in pieces that fit the cache: no slower anywhere, and up to twice as fast on a CPU.
    * ``compile=True`` gathers likewise and compiles the rule to a single pass over memory (float32 and float64).
      The first steps take seconds longer, and so does one after which a hyperparameter other than ``lr`` and
      ``weight_decay`` has changed. Without a compiler it logs that and does as ``foreach=True``.

    What cannot be a dense vector (a parameter or gradient that is not contiguous, a tensor subclass) is taken as it
    is. The entries of ``state`` may be views of longer vectors. Training that is resumed from a checkpoint
    continues bit for bit, or with ``compile=True`` to rounding.

    Args:
        params: Parameters or parameter groups, as for every torch optimizer.
        defaults: Hyperparameters of groups that do not set their own, ``maximize``, ``foreach`` and ``compile``
            among them.

    Raises:
        ValueError: If a value is out of range.
        TypeError: If a value that must be a number is not one.
    """

    rule: ClassVar[Rule]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self._vectors: Vectors = {}
        super().__init__(params, {"foreach": None, "compile": False, **defaults})

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Also how load_state_dict ends; in checkpoints of torch's own classes `step` is a tensor, or missing.
        super().__setstate__(state)
        self._vectors = {}
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

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a checkpoint; each group keeps its own ``foreach`` and ``compile``, whatever it was saved with.

        Args:
            state_dict: What ``state_dict`` returned, of this class or of torch's.
        """
        flags = [(group["foreach"], group["compile"]) for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, (foreach, compile_) in zip(self.param_groups, flags, strict=True):
            group["foreach"], group["compile"] = foreach, compile_

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
        works, self._vectors = arranged(self.rule, self._jobs(), self._vectors)
        run(self.rule, works)
        return loss

    def _jobs(self) -> list[Job]:
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
                known[place] = step_scalars(self.rule, state["step"], with_betas(group), param.dtype)
            grad = -grad if group["maximize"] else grad
            jobs.append(Job(param, grad, state, known[place], group))
        return jobs
