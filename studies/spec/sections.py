"""What a study says once for all of its trials: name, budget, schedule, training, resources, diagnostics."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    create_model,
    model_validator,
)

from robustness.training.schedules.schedule import OWN, SHAPE_KEYS, Schedule
from robustness.training.schedules.shapes import SHAPES, keys_of
from robustness.training.settings import Training
from robustness.user_code.names import importable, is_own
from robustness.user_code.source import check_origin
from studies.spec.errors import SpecError
from studies.spec.problems import NOTHING, Problem, blame, one_line, one_of, raise_all, unknown_key
from studies.spec.values import (
    FULL,
    BatchSize,
    Natural,
    Option,
    Positive,
    Strict,
    Text,
    as_yaml,
    only_lists,
    plain,
)


def _ascending(epochs: tuple[int, ...]) -> tuple[int, ...]:
    """Return ``epochs`` in order, or raise if one is given twice."""
    if len(set(epochs)) < len(epochs):
        raise ValueError("must have each epoch once")
    return tuple(sorted(epochs))


def _amount(value: object) -> float | None:
    """Return an amount of a resource, or raise for one that Ray refuses."""
    if value is None:
        return None
    number = _POSITIVE.validate_python(value)
    if number > 1 and not number.is_integer():
        raise ValueError("must be a whole number where it is above 1")
    return number


_POSITIVE: TypeAdapter[float] = TypeAdapter(Positive)
Amount = PlainValidator(_amount)


class Budget(Strict):
    """How long every trial trains: passes over the training split, and examples per step.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Examples per step, at most the training split; ``full`` is the whole of it.
        time_limit: Seconds after which a trial counts as failed; it is no part of a trial's identity.
    """

    epochs: Natural
    batch_size: BatchSize
    time_limit: Positive | None = None

    def resolved(self, examples: int | None) -> Budget:
        """Return the budget with the number that ``batch_size: full`` stands for.

        Args:
            examples: In the training split; None where that is not known.

        Raises:
            ValueError: If a batch would need more; the message begins with the key.
        """
        if examples is None:
            if self.batch_size == FULL:
                raise ValueError(
                    f"budget.batch_size: {FULL}: is not known: give task.examples, the examples of the training split"
                )
            return self
        if self.batch_size == FULL:
            return self.model_copy(update={"batch_size": examples})
        if self.batch_size > examples:
            raise ValueError(
                f"budget.batch_size: {self.batch_size}: must be at most {examples}, the examples of the task's "
                f"training split, or {FULL} for all of them"
            )
        return self


class CheckpointKeys(Strict):
    """How often long trials are saved while they train: every ``epochs`` epochs."""

    epochs: Natural


class Resources(Strict):
    """What each worker takes of a cluster; further keys name the cluster's own resources.

    Attributes:
        cpu: Cores.
        gpu: On ``cuda``, GPUs or a fraction of one; workers that share a GPU see all of its memory.
        memory: Bytes; a worker that holds more is replaced, and a trial that needs more in a fresh worker fails.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, Annotated[Any, Amount]]

    cpu: Annotated[float, Amount] = 1.0
    gpu: Annotated[float | None, Amount] = None
    memory: Annotated[float | None, Amount] = None

    @model_validator(mode="after")
    def _check(self) -> Resources:
        raise_all(
            Problem((name,), name, f"must be written {name.lower()}")
            for name in self.model_extra or {}
            if name.lower() in type(self).model_fields
        )
        return self

    def request(self, device: str) -> dict[str, float]:
        """Return what Ray is asked for: on ``cuda`` one GPU unless ``gpu`` says otherwise, on ``cpu`` none."""
        gpu = {"gpu": self.gpu or 1.0} if device == "cuda" else {}
        memory = {"memory": self.memory} if self.memory is not None else {}
        return {"cpu": self.cpu, **gpu, **memory, **(self.model_extra or {})}


class Diagnostics(Strict):
    """After which epochs second moments are stored: each from 1 on and given once."""

    epochs: Annotated[tuple[Natural, ...], Field(min_length=1), AfterValidator(_ascending)]


TrainingKeys = create_model(  # type: ignore[call-overload]
    "TrainingKeys",
    __base__=Strict,
    **{
        field.name: (Annotated[get_type_hints(Training)[field.name], Field(strict=True)], field.default)
        for field in fields(Training)
    },
)

_Real = Annotated[float, Field(strict=True)]  # in its range or not is for the schedule itself to say
_ScheduleKeys = create_model(  # type: ignore[call-overload]
    "ScheduleKeys",
    __base__=Strict,
    name=(Text, "constant"),
    **{
        key: (
            Annotated[tuple[_Real, ...], BeforeValidator(only_lists)] if key == "milestones" else _Real,
            None,
        )
        for key in SHAPE_KEYS
    },
)
_OPTIONS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[Text, Annotated[Any, Option]])

_Settings = TypeVar("_Settings", Schedule, Training)


def _made(kind: type[_Settings], values: dict[str, Any]) -> _Settings:
    """Return the dataclass of ``values``; what it refuses is the problem of the value that it names."""
    try:
        return kind(**values)
    except ValueError as error:
        raise_all([blame(str(error).removeprefix("schedule "), values)])
        raise


def _exact(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_exact, value))
    return plain(value) if isinstance(value, float) and math.isfinite(value) else value


def read_schedule(value: object) -> Schedule:
    """Return the value of a study's ``schedule``; which keys it may have depends on its name."""
    given = as_yaml(value.values()) if isinstance(value, Schedule) else value
    if isinstance(given, Mapping) and isinstance(name := given.get("name", Schedule.name), str):
        if is_own(name):
            options = _OPTIONS.validate_python({key: value for key, value in given.items() if key != "name"})
            return _made(Schedule, {"name": name, "options": options})
        raise_all(_key_problems(name, given))
    read = _ScheduleKeys.model_validate(given)
    return _made(Schedule, {key: _exact(getattr(read, key)) for key in read.model_fields_set})


def _key_problems(name: str, given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the keys of a named schedule, whatever their values."""
    if name not in SHAPES:
        yield Problem(("name",), name, one_of(name, [*SHAPES, OWN]))
        return
    allowed = keys_of(name)
    for key, value in given.items():
        if key in SHAPE_KEYS and key not in allowed:
            rule = f"does not belong to the schedule {name}; allowed: {', '.join(('name', *allowed))}"
            yield Problem((key,), value, rule, unknown=True)
        elif key not in ("name", *SHAPE_KEYS):
            yield unknown_key((key,), value, ("name", *allowed))
    for key, default in allowed.items():
        if default is None and key not in given:
            yield Problem((key,), NOTHING, f"is required by the schedule {name}")


def check_schedule(schedule: Schedule, steps: int, folder: Path | None, source: str) -> None:
    """Ask a function of the user's own for its first, its middle and its last multiple of the peak.

    Args:
        schedule: Any; a named one has nothing to be asked for.
        steps: Of a trial.
        folder: Where the function's module is imported from, before any other place.
        source: What messages begin with.

    Raises:
        SpecError: If the function cannot be imported or called, or returns no finite number from 0 on.
    """
    if not is_own(schedule.name):
        return
    try:
        with importable(folder):
            check_origin(schedule.name, folder)
            for step in (0, steps // 2, steps - 1):
                schedule.multiplier(step, steps)
    except Exception as error:  # a user's own function may raise anything
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        reason = str(error).removeprefix(f"schedule {schedule.name} ")
        raise SpecError(one_line(f"{source}: schedule: {schedule.name!r}: {kind}{reason}")) from error


def read_training(value: object) -> Training:
    """Return the value of a study's ``training``."""
    given = TrainingKeys.model_validate(asdict(value) if isinstance(value, Training) else value)
    return _made(Training, {key: _exact(getattr(given, key)) for key in TrainingKeys.model_fields})


def folder_name(value: str) -> str:
    """Return a study's name, or raise if it cannot be a folder's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value):
        raise ValueError("must be letters, digits, '.', '_' or '-' (at most 100), since it names a folder")
    return value


def shown_name(value: str) -> str:
    """Return a workload's name, or raise if tables and figures cannot show it."""
    if not value or len(value) > 100 or not value.isprintable() or value.strip() != value:
        raise ValueError("must be one line of 1 to 100 characters, without spaces at its ends")
    return value
