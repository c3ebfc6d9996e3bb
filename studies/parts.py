"""The parts of a study that are no axes: its name, task, budget and schedule."""

from __future__ import annotations

import re
from dataclasses import asdict, fields
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import ConfigDict, Field, create_model

from robustness.training.settings import Schedule, Training
from studies.grids import Natural, Option, Scalar, Strict, Text
from studies.problems import Problem, raise_all, without_value


class Budget(Strict):
    """How long every trial trains: passes over the training split, and examples per step."""

    epochs: Natural
    batch_size: Natural


class TaskSpec(Strict):
    """What is trained: a registered task or ``package.module:function``; further keys are its options."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, Option]]

    name: Text

    @property
    def options(self) -> dict[str, Scalar | tuple[Scalar, ...]]:
        """What the task's function is called with."""
        return dict(self.model_extra or {})


def _keys(kind: type) -> Any:
    """Return the model of a study's keys that are the fields of a dataclass."""
    types = get_type_hints(kind)
    return create_model(  # type: ignore[call-overload]
        f"{kind.__name__}Keys",
        __base__=Strict,
        **{
            field.name: (Annotated[types[field.name], Field(strict=True)], field.default)
            for field in fields(kind)
        },
    )


ScheduleKeys = _keys(Schedule)
TrainingKeys = _keys(Training)

Part = TypeVar("Part", Schedule, Training)


def _read(kind: type[Part], keys: Any, value: object) -> Part:
    """Return ``value`` as a dataclass, which checks itself; only the keys' types are checked here."""
    given = keys.model_validate(asdict(value) if isinstance(value, kind) else value)
    values = {name: getattr(given, name) for name in keys.model_fields}
    try:
        return kind(**values)
    except ValueError as error:
        rule = without_value(str(error)).removeprefix("schedule ")
        key = next(word for word in re.findall(r"\w+", rule) if word in values)
        raise_all([Problem((key,), values[key], rule.removeprefix(f"{key} "))])
        raise


def read_schedule(value: object) -> Schedule:
    """Return the value of a study's ``schedule``."""
    return _read(Schedule, ScheduleKeys, value)


def read_training(value: object) -> Training:
    """Return the value of a study's ``training``."""
    return _read(Training, TrainingKeys, value)


def folder_name(value: str) -> str:
    """Return a study's name, or raise if no folder can be called so."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value):
        raise ValueError("must be letters, digits, '.', '_' or '-' (at most 100), since it names a folder")
    return value
