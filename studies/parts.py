"""The parts of a study that are no axes: its name, task, budget and schedule."""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from typing import Annotated, Any, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, create_model

from robustness.training.settings import Schedule
from studies.grids import Natural, Option, Scalar, Strict, Text
from studies.problems import Problem, raise_all, without_value


def _ascending(epochs: tuple[int, ...]) -> tuple[int, ...]:
    """Return ``epochs`` in order, or raise if one is given twice."""
    if len(set(epochs)) < len(epochs):
        raise ValueError("must have each epoch once")
    return tuple(sorted(epochs))


class Budget(Strict):
    """How long every trial trains: passes over the training split, and examples per step."""

    epochs: Natural
    batch_size: Natural


class Diagnostics(Strict):
    """When second moments are looked at: after these epochs, each from 1 on and given once."""

    epochs: Annotated[tuple[Natural, ...], Field(min_length=1), AfterValidator(_ascending)]


class TaskSpec(Strict):
    """What is trained: a registered task or ``package.module:function``; further keys are its options."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, Option]]

    name: Text

    @property
    def options(self) -> dict[str, Scalar | tuple[Scalar, ...]]:
        """What the task's function is called with."""
        return dict(self.model_extra or {})


ScheduleKeys = create_model(  # type: ignore[call-overload]
    "ScheduleKeys",
    __base__=Strict,
    **{
        field.name: (Annotated[get_type_hints(Schedule)[field.name], Field(strict=True)], field.default)
        for field in fields(Schedule)
    },
)


def read_schedule(value: object) -> Schedule:
    """Return ``value`` as a ``Schedule``, which checks itself; only the keys' types are checked here."""
    keys = ScheduleKeys.model_validate(asdict(value) if isinstance(value, Schedule) else value)
    values = {name: getattr(keys, name) for name in type(keys).model_fields}
    try:
        return Schedule(**values)
    except ValueError as error:
        rule = without_value(str(error))
        key = next((word for word in re.findall(r"\w+", rule)[1:] if word in values), "name")
        raise_all([Problem((key,), values[key], rule.removeprefix(f"schedule {key} "))])
        raise


def folder_name(value: str) -> str:
    """Return a study's name, or raise if no folder can be called so."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value):
        raise ValueError("must be letters, digits, '.', '_' or '-' (at most 100), since it names a folder")
    return value
