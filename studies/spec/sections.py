"""What a study says once for all of its trials: name, budget, schedule, training, resources, diagnostics."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, fields
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    create_model,
    model_validator,
)

from robustness.training.settings import Schedule, Training
from studies.spec.problems import Problem, blame, raise_all
from studies.spec.values import FULL, BatchSize, Natural, Positive, Strict, plain


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

    def resolved(self, examples: int) -> Budget:
        """Return the budget with the number that ``batch_size: full`` stands for.

        Args:
            examples: In the training split.

        Raises:
            ValueError: If a batch would need more; the message begins with the key.
        """
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

_Settings = TypeVar("_Settings", Schedule, Training)


def _read(kind: type[_Settings], keys: Any, value: object) -> _Settings:
    """Return ``value`` as a dataclass, which checks itself; only the keys' types are checked here."""
    given = keys.model_validate(asdict(value) if isinstance(value, kind) else value)
    values = {name: _exact(getattr(given, name)) for name in keys.model_fields}
    try:
        return kind(**values)
    except ValueError as error:
        raise_all([blame(str(error).removeprefix("schedule "), values)])
        raise


def _exact(value: Any) -> Any:
    return plain(value) if isinstance(value, float) and math.isfinite(value) else value


def read_schedule(value: object) -> Schedule:
    """Return the value of a study's ``schedule``."""
    return _read(Schedule, ScheduleKeys, value)


def read_training(value: object) -> Training:
    """Return the value of a study's ``training``."""
    return _read(Training, TrainingKeys, value)


def folder_name(value: str) -> str:
    """Return a study's name, or raise if it cannot be a folder's name."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", value):
        raise ValueError("must be letters, digits, '.', '_' or '-' (at most 100), since it names a folder")
    return value
