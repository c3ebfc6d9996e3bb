"""An optimizer as a study lists it: its learning rates, its fixed variations, and their labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, product
from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, ConfigDict

from robustness.optimizers import OPTIMIZERS, arguments, build, hyperparameters
from studies.spec.grid import Grid, LogRange, rate_or_rates
from studies.spec.problems import NOTHING, Location, Problem, blame, one_of, unknown_key
from studies.spec.values import Decays, Scalar, Setting, Strict, Text

# these say which member of a family of optimizers is meant, so every label shows them
FAMILY = ("mixing", "exponent", "p", "q")
MAX_BUILT = 1000
_TRIAL_STEPS = 1000  # while values are checked, in place of a trial's steps, which only the task knows


@dataclass(frozen=True)
class Variant:
    """An optimizer with one value for each hyperparameter that the study gives.

    Attributes:
        optimizer: A name in ``robustness.optimizers.OPTIMIZERS``.
        label: As figures show it, such as ``ada2ms(mixing=0.5)``.
        given: What the study gives besides ``lr`` and ``weight_decay``.
    """

    optimizer: str
    label: str
    given: Mapping[str, Scalar]

    def hyperparameters(self, total_steps: int) -> dict[str, Scalar]:
        """Return every hyperparameter but ``lr`` and ``weight_decay``, defaults too, for a trial's steps.

        ``switch_fraction`` gives ``switch_rate = 1 / (switch_fraction * total_steps)``; ``mixing_end``
        without ``mixing_steps`` is reached at the last step.
        """
        values = {**hyperparameters(self.optimizer), **self.given}
        if "switch_fraction" in values:
            values["switch_rate"] = 1 / (values.pop("switch_fraction") * total_steps)
        if values.get("mixing_end") is not None and values.get("mixing_steps") is None:
            values["mixing_steps"] = total_steps
        return values


class OptimizerEntry(Strict):
    """One optimizer of a study.

    Hyperparameters are further keys, by the names of ``robustness.optimizers.hyperparameters``: a value, or a
    list as an axis of fixed variations. ``switch_fraction`` may stand for ``switch_rate``.

    Attributes:
        optimizer: Its registered name, where the study lists it under another.
        lr: The centre of the grid's range, or a list of learning rates of its own.
        weight_decay: In place of the grid's.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, Setting]]

    optimizer: Text | None = None
    lr: Annotated[float | tuple[float, ...] | None, BeforeValidator(rate_or_rates)] = None
    weight_decay: Decays | None = None

    def rates(self, grid: Grid) -> tuple[float, ...]:
        """Return the learning rates to train with.

        Raises:
            ValueError: If this ``lr`` does not go with the grid's, or the range leaves what floats hold.
        """
        if isinstance(self.lr, tuple):
            return self.lr
        if isinstance(grid.lr, LogRange):
            if self.lr is None:
                raise ValueError("is required: the centre of grid.lr, or a list of learning rates")
            return grid.lr.values(self.lr)
        if self.lr is not None:
            raise ValueError(
                "must be a list: there is no grid.lr {decades, points} that it could be the centre of"
            )
        if grid.lr is None:
            raise ValueError("is required, as a list, because grid.lr is not given")
        return grid.lr

    def decays(self, grid: Grid) -> tuple[float, ...]:
        """Return the weight decays to train with.

        Raises:
            ValueError: If neither this optimizer nor the grid gives any.
        """
        decays = self.weight_decay or grid.weight_decay
        if decays is None:
            raise ValueError("is required, because grid.weight_decay is not given")
        return decays

    def variants(self, key: str) -> Iterator[Variant]:
        """Yield the fixed variations in the order of the file, the last axis fastest.

        Args:
            key: What the study lists this optimizer under; labels begin with it.
        """
        name = self.optimizer or key
        given = self.model_extra or {}
        listed = {parameter for parameter, values in given.items() if isinstance(values, tuple)}
        axes = [values if isinstance(values, tuple) else (values,) for values in given.values()]
        defaults = hyperparameters(name)
        for values in product(*axes):
            pairs = zip(given, values, strict=True)
            one = {parameter: _cast(value, defaults.get(parameter)) for parameter, value in pairs}
            yield Variant(name, _label(key, one, listed, defaults), one)

    def count(self) -> int:
        """Return the number of fixed variations."""
        return math.prod(len(v) for v in (self.model_extra or {}).values() if isinstance(v, tuple))


def _cast(value: Scalar, default: Scalar) -> Scalar:
    """Write 1 as 1.0 where the default is a float, so that equal values have equal ids and labels."""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _label(key: str, given: Mapping[str, Scalar], listed: set[str], defaults: Mapping[str, Scalar]) -> str:
    """Return ``key`` with what tells this variation from others, in the constructor's order.

    Shown are hyperparameters given as lists, those that differ from their defaults, and always those of ``FAMILY``.
    ``switch_fraction`` is shown in the place of ``switch_rate``, if it is a list.
    """
    parts = []
    for parameter, default in defaults.items():
        value = given.get(parameter, default)
        if parameter in listed or parameter in FAMILY or value != default:
            parts.append(f"{parameter}={_text(value)}")
        if parameter == "switch_rate" and "switch_fraction" in listed:
            parts.append(f"switch_fraction={_text(given['switch_fraction'])}")
    return f"{key}({', '.join(parts)})" if parts else key


def _text(value: Scalar) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def entry_problems(key: str, entry: OptimizerEntry, grid: Grid) -> list[Problem]:
    """Return what is wrong with ``entry``, given its optimizer and the study's ``grid``."""
    name = entry.optimizer or key
    if name not in OPTIMIZERS:
        rule = one_of(name, OPTIMIZERS)
        if entry.optimizer is None:
            return [Problem((), name, rule)]
        return [Problem(("optimizer",), name, rule)]
    problems = []
    for field, values in (("lr", entry.rates), ("weight_decay", entry.decays)):
        try:
            values(grid)
        except ValueError as error:
            given = getattr(entry, field)
            problems.append(Problem((field,), NOTHING if given is None else given, str(error)))
    own = [problem for pair in (entry.model_extra or {}).items() for problem in _value_problems(name, *pair)]
    given = entry.model_extra or {}
    if "switch_fraction" in given and "switch_rate" in given:
        value = given["switch_fraction"]
        own.append(Problem(("switch_fraction",), value, "must not be given together with switch_rate"))
    return problems + (own or _build_problems(key, entry))


def _value_problems(name: str, parameter: str, values: Any) -> Iterator[Problem]:
    """Yield what the optimizer's constructor would not notice, or would not explain well."""
    defaults = hyperparameters(name)
    fraction = "switch_rate" in defaults
    allowed = ["optimizer", "lr", "weight_decay", *defaults, *["switch_fraction"] * fraction]
    if parameter not in allowed:
        yield unknown_key((parameter,), values, allowed)
        return
    indexed = enumerate(values) if isinstance(values, tuple) else [(None, values)]
    for index, value in indexed:
        location: Location = (parameter,) if index is None else (parameter, index)
        rule = _type_rule(parameter, value, defaults.get(parameter))
        if rule:
            yield Problem(location, value, rule)


def _type_rule(parameter: str, value: Scalar, default: Scalar) -> str | None:
    """Return the rule that ``value`` breaks by its type, or None."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if parameter == "switch_fraction":
        return None if number and 0 < value <= 1 else "must be a number in (0, 1]"  # type: ignore[operator]
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "must be true or false"
    if isinstance(value, bool) or (isinstance(default, int | float) and not number):
        return "must be a number"
    if parameter == "mixing_steps" and isinstance(value, float):
        return "must be an integer"
    return None


def _build_problems(key: str, entry: OptimizerEntry) -> list[Problem]:
    """Return what the optimizer's own constructor refuses: it alone knows what it allows.

    Every variation is built, up to the first 1,000.
    """
    problems: dict[tuple[Location, str], Problem] = {}
    labels: set[str] = set()
    decay = max(entry.weight_decay or (0.0,))
    for variant in islice(entry.variants(key), MAX_BUILT):
        if variant.label in labels:
            problem = Problem((), variant.label, "stands for two variations; their values are too alike")
            problems.setdefault((problem.location, problem.rule), problem)
        labels.add(variant.label)
        try:
            values = variant.hyperparameters(_TRIAL_STEPS)
            dry_build(variant.optimizer, {"lr": 1e-3, "weight_decay": decay, **values})
        except (ValueError, TypeError) as error:
            problem = blame(str(error), variant.given)
            problems.setdefault((problem.location, problem.rule), problem)
    return list(problems.values())


def dry_build(name: str, values: Mapping[str, Any]) -> None:
    """Build an optimizer on two by two zeros; whether it suits the task's model is for the preflight to say.

    An optimizer that refuses a single matrix is tried on parameters of several shapes.

    Args:
        name: A key of ``robustness.optimizers.OPTIMIZERS``.
        values: What ``robustness.optimizers.build`` takes.

    Raises:
        ValueError: If a value is not valid, or the constructor refuses the optimizer with any error.
        TypeError: If the optimizer takes no such value.
    """
    arguments(name, values)
    with _no_compiler():
        try:
            build(name, _zeros((2, 2)), **values)
        except Exception as refused:  # a constructor may be anyone's
            try:
                build(name, _zeros((2, 2), (2,), (2, 2, 1, 1)), **values)
            except Exception:
                if isinstance(refused, ValueError | TypeError):
                    raise refused from None
                raise ValueError(f"{name}: {type(refused).__name__}: {refused}") from refused


def _zeros(*shapes: tuple[int, ...]) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]


@contextmanager
def _no_compiler() -> Iterator[None]:
    """Keep torch from importing its compiler.

    The first parameter group of any optimizer imports it, to keep the function that adds groups out of compiled
    code. That costs every command that reads a study 1.6 s and 150 MB, and few of them compile. torch stores the
    function that it has prepared so as an attribute of the plain one; while that is set, nothing is imported.
    """
    plain = getattr(torch.optim.Optimizer.add_param_group, "__wrapped__", None)
    kept = "__dynamo_disable"
    if plain is None or hasattr(plain, kept):
        yield
        return
    setattr(plain, kept, plain)
    try:
        yield
    finally:
        delattr(plain, kept)
