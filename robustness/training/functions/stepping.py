"""The optimizers of a training function: counted, scaled and scheduled, and what it has forgotten to do with them.

Whether gradients were scaled is marked on the gradients themselves, so that clearing them, skipped steps and several
optimizers need no word of the user's. A mark that a backward adds to, or that a second scaling meets, is a mistake.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from itertools import count
from types import MethodType
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from robustness.training.schedules.schedule import Schedule
from robustness.training.settings import TrialSettings
from robustness.training.steps import begin_training, has_modes, optimizer_of, optimizer_on, suit_gradients

# The number of the run that a parameter was first trained by, as long as the parameter is there.
_NUMBERS = count()
_TRAINED_BY: Any = WeakTensorKeyDictionary()
_MARK = "_scaled_by_its_run"  # True: by the trial's scale; False: that too, and a step was taken by it


@dataclass(eq=False)
class Stepped:
    """One optimizer of a training function.

    Attributes:
        optimizer: As it was built.
        steps: Taken so far in this process.
        inside: Whether a step is being taken.
        moved: Parameters that had a gradient at a step.
        schedule: Its learning-rate schedule, once it was asked for.
        total_steps: Of the schedule.
        judged: Whether it was put to the weights that it is judged at; None where it has only one kind.
    """

    optimizer: torch.optim.Optimizer
    steps: int = 0
    inside: bool = False
    moved: dict[int, Tensor] = field(default_factory=dict)
    schedule: torch.optim.lr_scheduler.LambdaLR | None = None
    total_steps: int = 0
    judged: bool | None = None

    def parameters(self) -> list[Tensor]:
        """Return what the optimizer holds."""
        return [one for group in self.optimizer.param_groups for one in group["params"]]

    def held(self) -> list[Tensor]:
        """Return those of its parameters that have a gradient."""
        return [parameter for parameter in self.parameters() if parameter.grad is not None]


class Steps:
    """All optimizers of one run of a training function.

    Args:
        settings: The trial's.
        fail: Ends the trial for a reason.
    """

    def __init__(self, settings: TrialSettings, fail: Callable[[str], NoReturn]) -> None:
        self.settings, self.fail, self.number = settings, fail, next(_NUMBERS)
        self.each: list[Stepped] = []
        self.mixed = False
        self.before = 0

    @property
    def taken(self) -> int:
        """The steps of all optimizers, those before a checkpoint included."""
        return self.before + sum(one.steps for one in self.each)

    def build(self, trained: Any) -> torch.optim.Optimizer:
        """Return the trial's optimizer on a module, on parameters or on groups of them."""
        try:
            optimizer = (
                optimizer_of(trained, self.settings)
                if isinstance(trained, nn.Module)
                else optimizer_on(_groups(trained, self.settings), self.settings)
            )
        except (ValueError, TypeError) as error:
            self.fail(f"calls run.optimizer: {error}")
        begin_training(optimizer)
        one = Stepped(optimizer)
        if any(
            _TRAINED_BY.setdefault(parameter, self.number) != self.number for parameter in one.parameters()
        ):
            self.fail(
                "calls run.optimizer with parameters that another trial has trained: make the model inside the "
                "function, anew for each trial"
            )
        self._watch(one)
        self.each.append(one)
        return optimizer

    def _watch(self, one: Stepped) -> None:
        """Count the steps of an optimizer and look at each.

        The method of the object is replaced, and no hook is registered: those of torch are called twice by a class
        that calls the step of the class that it is made from.
        """
        optimizer: Any = one.optimizer
        step = optimizer.step

        @wraps(step)
        def counted(_: Any, *args: Any, **keys: Any) -> Any:
            if one.steps == 0 and not one.inside:
                suit_gradients(optimizer)
            outermost, one.inside = not one.inside, True
            try:
                result = step(*args, **keys)
            finally:
                one.inside = not outermost
            if outermost:
                self._after(one)
            return result

        optimizer.step = MethodType(counted, optimizer)  # a method: torch's schedules wrap it once more
        if has_modes(optimizer):
            one.judged, judge = False, optimizer.eval

            def judged(*args: Any, **keys: Any) -> Any:
                one.judged = True
                return judge(*args, **keys)

            optimizer.eval = judged
        if self.settings.grad_scale != 1:
            for parameter in one.parameters():
                parameter.register_post_accumulate_grad_hook(self._added)

    def _added(self, parameter: Tensor) -> None:
        """Note that a backward has added to a gradient, which is a mistake where that is scaled already."""
        mark = _mark(parameter.grad)
        self.mixed |= mark is True
        if mark is False:
            setattr(parameter.grad, _MARK, None)

    def _after(self, one: Stepped) -> None:
        one.steps += 1
        held = one.held()
        one.moved |= {id(parameter): parameter for parameter in held}
        if self.settings.grad_scale == 1:
            return
        gradients = [parameter.grad for parameter in held]
        if any(_mark(gradient) is None for gradient in gradients):
            self.fail(
                f"takes step {one.steps} without run.scale_gradients(), and gradients are to be scaled by "
                f"{self.settings.grad_scale:g}: call it once for each step, after the last backward"
            )
        self._check_added()
        for gradient in gradients:
            setattr(gradient, _MARK, False)

    def _check_added(self) -> None:
        if self.mixed:
            self.fail(
                "adds to gradients that run.scale_gradients() has scaled: call it once for each step, "
                "after the last backward, and clear gradients by zero_grad()"
            )

    def scale(self) -> None:
        """Multiply the gradients of all optimizers by the trial's scale."""
        if not self.each:
            self.fail("calls run.scale_gradients() before run.optimizer(…)")
        if self.settings.grad_scale == 1:
            return
        self._check_added()
        held = {id(parameter): parameter.grad for one in self.each for parameter in one.held()}
        gradients = [gradient for gradient in held.values() if gradient is not None]
        fresh = [gradient for gradient in gradients if _mark(gradient) is None]
        if not fresh and any(map(_mark, gradients)):
            self.fail("calls run.scale_gradients() twice for one step: the gradients are scaled already")
        with torch.no_grad():
            for gradient in fresh:
                gradient.mul_(self.settings.grad_scale)
                setattr(gradient, _MARK, True)

    def scheduled(self, optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
        """Return the study's schedule over so many steps of one of the optimizers."""
        one = next((one for one in self.each if one.optimizer is optimizer), None)
        if one is None:
            self.fail("calls run.schedule with an optimizer that is none of run.optimizer(…)")
        if one.schedule is not None:
            self.fail("calls run.schedule twice for one optimizer")
        if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
            self.fail(f"calls run.schedule with {steps!r} steps: must be a whole number from 1 on")
        schedule, last = self.settings.schedule, steps - 1
        one.total_steps = steps
        one.schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: schedule.multiplier(min(step, last), steps)
        )
        return one.schedule

    def finite(self) -> bool:
        """Return whether all parameters that were moved are finite."""
        moved = [parameter for one in self.each for parameter in one.moved.values()]
        with torch.no_grad():
            return all(bool(parameter.isfinite().all()) for parameter in moved)

    def check_judged(self) -> None:
        """End the trial if an optimizer that has weights of its own to be judged at was not put to them."""
        for one in self.each:
            if one.judged is False and one.steps:
                self.fail(
                    "reports without optimizer.eval() before: "
                    f"{self.settings.optimizer} is judged at other weights than it is trained at; call "
                    "optimizer.train() before going on"
                )
            if one.judged:
                one.judged = False

    def forgotten(self) -> str | None:
        """Return what was not done with the optimizers by the end of the training; None where all was."""
        if not self.each:
            return "has not called run.optimizer(…), so it has not trained with the trial's optimizer"
        stepped = [one for one in self.each if one.steps]
        if not stepped:
            return "has taken no step with the optimizer of run.optimizer(…)"
        if not varies(self.settings.schedule):
            return None
        name = self.settings.schedule.name
        for one in stepped:
            if one.schedule is None:
                return f"has not called run.schedule(optimizer, steps), and the study's schedule is {name}"
            if one.schedule.last_epoch != one.total_steps:
                return (
                    f"steps the schedule {name} {one.schedule.last_epoch} times, and not the {one.total_steps} "
                    "of run.schedule(optimizer, steps): it must be stepped after each step of the optimizer"
                )
        return None


def _mark(gradient: Tensor | None) -> bool | None:
    return getattr(gradient, _MARK, None)


def varies(schedule: Schedule) -> bool:
    """Return whether a schedule ever gives another rate than the peak."""
    return schedule.name != "constant" or bool(schedule.warmup)


def _groups(trained: Any, settings: TrialSettings) -> list[dict[str, Any]]:
    """Return parameters, or groups of them, as groups.

    Raises:
        ValueError: If they decide what is the trial's to decide.
        TypeError: If they are something else.
    """
    if settings.training.decay != "all":
        raise ValueError(
            f"training.decay: {settings.training.decay}: needs run.optimizer(model), the whole module"
        )
    if isinstance(trained, str | bytes | dict) or not isinstance(trained, Iterable):
        raise TypeError(
            f"must be a module, parameters, or groups of parameters, but got {reprlib.repr(trained)}"
        )
    given: list[Any] = [trained] if isinstance(trained, Tensor) else list(trained)
    if given and all(isinstance(one, tuple) for one in given):  # named parameters
        given = [parameter for _, parameter in given]
    groups: list[dict[str, Any]] = (
        given if given and all(isinstance(one, dict) for one in given) else [{"params": given}]
    )
    for group in groups:
        extra = group.keys() - {"params", "weight_decay"}
        if extra or group.get("weight_decay", 0.0) != 0:
            what = min(extra) if extra else "a weight_decay other than 0"
            raise ValueError(f"a parameter group must not give {what}, which is the trial's")
    return [{**group, "params": _trained(group["params"])} for group in groups]


def _trained(parameters: Any) -> list[Tensor]:
    held = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not all(isinstance(one, Tensor) for one in held):
        raise TypeError("must be a module, parameters, or groups of parameters")
    return [one for one in held if one.requires_grad]
