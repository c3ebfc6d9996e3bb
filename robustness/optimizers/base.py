"""A ``torch.optim.Optimizer`` around a ``Rule``, and how a class declares its hyperparameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, ClassVar, TypeVar, overload

import torch

from robustness.optimizers.docstrings import completed
from robustness.optimizers.fast.updates import Vectors, arranged, run, with_betas
from robustness.optimizers.fast.vectors import Job
from robustness.optimizers.ranges import Ranges, validate
from robustness.optimizers.rule import Rule, step_scalars

F = TypeVar("F", bound=Callable[..., None])


def declared(init: F) -> F:
    """Decorate a constructor all of whose arguments after ``params`` are hyperparameters, passed on as defaults.

    The signature stays as it is written, for readers, editors and ``inspect.signature``. The body runs first; it is
    usually empty.
    """
    signature = inspect.signature(init)

    @wraps(init)
    def constructor(self: RuleOptimizer, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        _, params, *names = signature.parameters
        RuleOptimizer.__init__(self, bound.arguments[params], {name: bound.arguments[name] for name in names})

    return constructor  # type: ignore[return-value]


class CheckedOptimizer(torch.optim.Optimizer):
    """Base of optimizers that check the hyperparameters of each parameter group before they take it.

    A subclass names the ``ranges`` of hyperparameters that it has alone.
    """

    ranges: ClassVar[Ranges] = {}

    @classmethod
    def check(cls, hyper: Mapping[str, Any]) -> None:
        """Check hyperparameters by themselves and with each other.

        Args:
            hyper: Values by name; decay rates as ``betas`` or as ``beta1`` and ``beta2``.

        Raises:
            ValueError: If a value is out of range.
            TypeError: If a value that must be a number is not one.
        """
        validate(hyper, cls.ranges)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group after checking its hyperparameters.

        Args:
            param_group: ``params`` and any hyperparameters that differ from the defaults.

        Raises:
            ValueError: If a value is out of range.
            TypeError: If a value that must be a number is not one.
        """
        if isinstance(param_group, dict):
            self.check({**self.defaults, **param_group})
        super().add_param_group(param_group)


class RuleOptimizer(CheckedOptimizer):
    """Base of the optimizers: validation, state, and how updates are computed; the mathematics is its ``rule``.

    A subclass names its ``rule`` and the ``ranges`` of hyperparameters it has alone. Its constructor, decorated with
    ``declared``, lists the hyperparameters and their defaults. These arguments mean the same in every optimizer that
    has them:

    * ``params``: Parameters or parameter groups, which may differ in every hyperparameter.
    * ``lr``: Learning rate, >= 0.
    * ``betas``: Decay rates b1 and b2 of the two moments, each in [0, 1).
    * ``eps``: Stability constant, >= 0, added where the formula has it.
    * ``weight_decay``: Decoupled weight decay, >= 0.
    * ``scope``: What ``G`` is the mean over: ``model`` (all elements of all parameters the optimizer holds) or
      ``tensor`` (each parameter tensor has its own).
    * ``maximize``: Whether to ascend.
    * ``foreach``: Whether to update several parameters at a time. False takes them one by one, as they are. True,
      and None, the default, gathers small parameters into one vector and, on a CPU, updates long ones in pieces that
      fit the cache: no slower anywhere, and up to twice as fast on a CPU. The numbers differ by rounding at most.
    * ``compile``: Whether to gather likewise and compile the rule to a single pass over memory (float32 and float64).
      The first steps take seconds longer, and so does the first step after a hyperparameter other than ``lr`` and
      ``weight_decay`` has changed. Without a compiler this is logged and ``foreach=True`` takes its place. The
      numbers differ by rounding at most.

    State is as torch names it: ``exp_avg``, ``exp_avg_sq`` or ``momentum_buffer`` in the parameter's dtype, and
    ``step``, a Python integer. Its tensors may be views of longer vectors. ``p.grad`` is never written to. A
    parameter or gradient that cannot be a dense vector (not contiguous, or a tensor subclass) is updated as it is.
    Training resumed from a checkpoint continues bit for bit, or with ``compile=True`` to rounding.

    Args:
        params: Parameters or parameter groups.
        defaults: Hyperparameters of groups that do not set their own, ``maximize``, ``foreach`` and ``compile``
            among them.

    Raises:
        ValueError: If a value is out of range.
        TypeError: If a value that must be a number is not one.
    """

    rule: ClassVar[Rule]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__doc__ and RuleOptimizer.__doc__:  # python -OO leaves none
            arguments = inspect.signature(cls.__init__).parameters
            cls.__doc__ = completed(cls.__doc__, arguments, RuleOptimizer.__doc__)

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self._vectors: Vectors = {}
        super().__init__(params, {"maximize": False, "foreach": None, "compile": False, **defaults})

    def __setstate__(self, state: dict[str, Any]) -> None:
        # load_state_dict ends here too; in checkpoints of torch's own classes `step` is a tensor, or missing.
        super().__setstate__(state)
        self._vectors = {}
        for group in self.param_groups:
            for name, value in self.defaults.items():
                group.setdefault(name, value)
        for param_state in self.state.values():
            if param_state:
                param_state["step"] = int(param_state.get("step", 0))

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
            closure: Evaluates the model again and returns the loss.

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
        """Collect the parameters to update, and count the step; all checks come before any change."""
        moving = [
            (p, p.grad, group) for group in self.param_groups for p in group["params"] if p.grad is not None
        ]
        for param, grad, _ in moving:
            if grad.is_sparse or param.is_complex():
                kind = "sparse gradients" if grad.is_sparse else "complex parameters"
                raise RuntimeError(f"{type(self).__name__} does not support {kind}")
        known: dict[tuple[int, int, torch.dtype], dict[str, Any]] = {}  # most parameters share their scalars
        jobs = []
        for param, grad, group in moving:
            state = self.state[param]
            if not state:
                state["step"] = 0
                for slot in self.rule.slots:
                    state[slot] = torch.zeros_like(param, memory_format=torch.preserve_format)
            state["step"] += 1
            key = (id(group), state["step"], param.dtype)
            if key not in known:
                known[key] = step_scalars(self.rule, state["step"], with_betas(group), param.dtype)
            grad = -grad if group["maximize"] else grad
            jobs.append(Job(param, grad, state, known[key], group))
        return jobs
