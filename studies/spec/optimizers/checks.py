"""What is wrong with an optimizer's entry: its name, its keys, their values, and what its constructor refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from robustness.optimizers import OPTIMIZERS, REQUIRED, Signature, split_betas
from robustness.user_code.names import is_own
from studies.spec.grid import Grid
from studies.spec.optimizers.dry_build import dry_build
from studies.spec.optimizers.entries import OptimizerEntry, values_of
from studies.spec.optimizers.own_code import OwnCode
from studies.spec.problems import NOTHING, Location, Problem, blame, one_of, unknown_key, without_value
from studies.spec.values import Given

MAX_BUILT = 1000
_TRIAL_STEPS = 1000  # while values are checked, in place of a trial's steps, which only the task knows


@dataclass(frozen=True)
class EntryChecks:
    """The checks of a study's entries.

    Attributes:
        grid: The study's.
        own: What is known of the user's own optimizers. One that is not known yet is checked as far as that goes.
        found: Whether they were just found, to be trained with: then these are built, and those that are known anyway
            have been built before. Otherwise it is the other way round, since readers have no class to build.
    """

    grid: Grid
    own: OwnCode
    found: bool = False

    def problems(self, key: str, entry: OptimizerEntry) -> list[Problem]:
        """Return what is wrong with ``entry``, which the study lists under ``key``."""
        name = entry.named(key)
        if rule := self._name_rule(name):
            return [Problem(("optimizer",) if entry.optimizer else (), name, rule)]
        taken = self.own.signature(name)
        problems = list(self._axis_problems(entry, taken))
        if taken is None:
            return problems
        values = list(_given_problems(entry, name, taken))
        if not values and (name in self.own.signatures) == self.found:
            values = _build_problems(key, entry, taken)
        return problems + (values or list(_label_problems(key, entry, taken)))

    def all_problems(self, optimizers: Mapping[str, OptimizerEntry]) -> list[Problem]:
        """Return what is wrong with all entries, each problem where it is in the study."""
        return [
            problem._replace(location=("optimizers", key, *problem.location))
            for key, entry in optimizers.items()
            for problem in self.problems(key, entry)
        ]

    def _name_rule(self, name: str) -> str | None:
        if is_own(name) and not re.fullmatch(r"\w+(\.\w+)*:\w+", name):
            return "must be package.module:Class"
        if name in OPTIMIZERS or name in self.own.signatures or is_own(name):
            return None
        return one_of(name, [*OPTIMIZERS, "package.module:Class"])

    def _axis_problems(self, entry: OptimizerEntry, taken: Signature | None) -> Iterator[Problem]:
        for field in ("lr", "weight_decay"):
            try:
                if field == "lr":
                    entry.rates(self.grid)
                elif taken is not None:
                    entry.decays(self.grid, taken)
            except ValueError as error:
                given = getattr(entry, field)
                yield Problem((field,), NOTHING if given is None else given, str(error))


def _given_problems(entry: OptimizerEntry, name: str, taken: Signature) -> Iterator[Problem]:
    """Yield what the optimizer's constructor would not notice, or would not explain well."""
    for pair in entry.given.items():
        yield from _value_problems(*pair, taken)
    for alias, stands_for in (("switch_fraction", ("switch_rate",)), ("betas", _betas(taken))):
        for other in stands_for:
            if alias in entry.given and other in entry.given and alias not in taken.defaults:
                rule = f"must not be given together with {other}"
                yield Problem((alias,), entry.given[alias], rule)
    for parameter, default in taken.defaults.items():
        given = parameter in entry.given or (parameter in _betas(taken) and "betas" in entry.given)
        if default is REQUIRED and not given:
            yield Problem((parameter,), NOTHING, f"is required: {name} has no default for it")


def _betas(taken: Signature) -> list[str]:
    return [f"beta{number}" for number in range(1, taken.betas + 1)]


def _value_problems(parameter: str, given: Any, taken: Signature) -> Iterator[Problem]:
    aliases = {"switch_fraction": "switch_rate" in taken.defaults, "betas": taken.betas > 0}
    allowed = [*taken.defaults, *(alias for alias, stands in aliases.items() if stands)]
    if parameter not in allowed:
        yield unknown_key((parameter,), given, ["optimizer", "lr", "weight_decay", *allowed])
        return
    values, many = values_of(parameter, given, taken)
    for index, value in enumerate(values):
        location: Location = (parameter, index) if many else (parameter,)
        if value in values[:index]:
            yield Problem(location, value, "is given twice")
        elif rule := _type_rule(parameter, value, taken):
            yield Problem(location, value, rule)


def _type_rule(parameter: str, value: Given, taken: Signature) -> str | None:
    """Return the rule that ``value`` breaks by its type, or None."""
    default = taken.defaults.get(parameter)
    if parameter == "betas" and isinstance(value, tuple):
        return _betas_rule(value, taken)
    if isinstance(default, tuple) or parameter == "betas":
        return None if isinstance(value, tuple) or value == default else "must be a list of numbers"
    if isinstance(value, tuple):
        return "must be a single value, or a list of such"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if parameter == "switch_fraction" and parameter not in taken.defaults:
        return None if number and 0 < value <= 1 else "must be a number in (0, 1]"  # type: ignore[operator]
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "must be true or false"
    if default is not REQUIRED and isinstance(value, bool):
        return "must be a number"
    if isinstance(default, int | float) and not number:
        return "must be a number"
    if parameter == "mixing_steps" and isinstance(value, float):
        return "must be an integer"
    return None


def _betas_rule(value: tuple[Any, ...], taken: Signature) -> str | None:
    try:
        split_betas(taken, value)
    except ValueError as error:
        return without_value(str(error)).removeprefix("betas ")
    return None


def _build_problems(key: str, entry: OptimizerEntry, taken: Signature) -> list[Problem]:
    """Return what the optimizer's own constructor refuses: it alone knows what it allows.

    Every variation is built, up to the first 1,000.
    """
    problems: dict[tuple[Location, str], Problem] = {}
    decay = max(entry.weight_decay or (0.0,))
    for variant in islice(entry.variants(key, taken), MAX_BUILT):
        try:
            values = variant.hyperparameters(_TRIAL_STEPS)
            dry_build(variant.optimizer, {"lr": 1e-3, "weight_decay": decay, **values})
        except (ValueError, TypeError) as error:
            problem = blame(str(error), variant.given)
            problems.setdefault((problem.location, problem.rule), problem)
    return list(problems.values())


def _label_problems(key: str, entry: OptimizerEntry, taken: Signature) -> Iterator[Problem]:
    """Yield that a label stands for two variations, of the first 1,000."""
    labels: set[str] = set()
    for variant in islice(entry.variants(key, taken), MAX_BUILT):
        if variant.label in labels:
            yield Problem((), variant.label, "stands for two variations; their values are too alike")
            return
        labels.add(variant.label)
