"""The kinds of value that a study's keys may have: numbers, texts, and lists of values that are all different.

From Python they may come as numpy's; ``as_yaml`` makes them plain before anything else looks at them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import PurePath
from typing import Annotated, Any, cast

import numpy as np
import pandas as pd
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from studies.spec.problems import Location, Problem, raise_all

MAX_POINTS = 10_000
MAX_INTEGER = 2**63 - 1

Scalar = bool | int | float | str | None
Given = Scalar | tuple[Scalar, ...]
"""One value of a hyperparameter: a list where its constructor takes a tuple, as ``betas``."""


def as_yaml(value: object) -> Any:
    """Return a value of Python as YAML would have it: numpy's numbers, arrays, tuples and paths become plain.

    A number is taken as it is written: ``numpy.float32(1e-4)`` is 1e-4, and not 9.999999747e-05. What else YAML
    has no word for is left as it is, for the place where it stands to refuse.

    Args:
        value: Anything; mappings and lists are gone through.

    Raises:
        pydantic.ValidationError: If an array holds masked values or what is neither number, truth nor text.
    """
    return _plain(value, (), {})


def _plain(value: Any, location: Location, known: dict[int, tuple[Any, Any]]) -> Any:
    """Return ``as_yaml`` of a value; lists and mappings may hold themselves, so ``known`` has them by their ids."""
    if id(value) in known:
        return known[id(value)][1]
    if isinstance(value, Mapping):
        mapping: dict[Any, Any] = {}
        known[id(value)] = value, mapping
        mapping |= {
            _plain(key, location, known): _plain(item, (*location, str(key)), known)
            for key, item in value.items()
        }
        return mapping
    if isinstance(value, list | tuple | range):
        items: list[Any] = []
        known[id(value)] = value, items
        items += [_plain(item, (*location, index), known) for index, item in enumerate(value)]
        return items
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise_all([Problem(location, value, "must not have masked values")])
    if isinstance(value, np.ndarray | pd.Series | pd.Index):
        array = np.asarray(value)
        return _plain(array[()] if array.ndim == 0 else list(array), location, known)
    if isinstance(value, np.generic):
        return _plain_scalar(value, location)
    return str(value) if isinstance(value, PurePath) else value


def _plain_scalar(value: np.generic, location: Location) -> Any:
    if isinstance(value, np.floating):
        return float(str(value))
    if isinstance(value, np.bool_ | np.integer | np.str_):
        return value.item()
    raise_all(
        [Problem(location, value, f"must be a number, text, true or false, and no numpy {value.dtype}")]
    )
    return value


def listed(value: object) -> object:
    """Turn a single number into a list of one."""
    return value if isinstance(value, list | tuple) else (value,)


def only_lists(value: object) -> object:
    """Return ``value``, or raise if it is no list."""
    if not isinstance(value, list | tuple):
        raise ValueError("must be a list")
    return value


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return ``values``, or raise if one of them is given twice."""
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            raise_all([Problem((index,), value, "is given twice")])
        seen.add(value)
    return values


def _scalar(value: object) -> Scalar:
    """Return a hyperparameter's value as a plain Python one."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        value.encode()
        return str(value)
    if isinstance(value, Integral) and abs(int(value)) <= MAX_INTEGER:
        return int(value)
    if isinstance(value, Real) and not isinstance(value, Integral) and math.isfinite(value):
        return plain(float(value))
    raise ValueError("must be a finite number, text, true, false or null, or a list of these")


def plain(value: float) -> float:
    """Return ``value`` to 12 significant digits, without a negative zero: numbers equal but for rounding are one.

    Every number of a study comes through here, so 0.1 and 0.10000000000000002 are the same cell and have the same id.
    """
    return float(f"{value:.12g}") + 0.0


def rounded(rate: float) -> float:
    """Return a learning rate to 6 significant digits, so that a trial's identity does not depend on the last bit."""
    return float(f"{rate:.6g}")


FULL = "full"
"""The batch size that is the whole training split, in place of a number."""

Text = Annotated[str, Field(strict=True)]
Natural = Annotated[int, Field(strict=True, ge=1, le=MAX_INTEGER)]
_Seed = Annotated[int, Field(strict=True, ge=0, le=MAX_INTEGER)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False), AfterValidator(plain)]
Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]

_Distinct = (Field(min_length=1), AfterValidator(distinct))
Rates = Annotated[tuple[Positive, ...], BeforeValidator(only_lists), *_Distinct]
Scales = Annotated[tuple[Positive, ...], BeforeValidator(listed), *_Distinct]
Decays = Annotated[tuple[NonNegative, ...], BeforeValidator(listed), *_Distinct]
SeedList = Annotated[tuple[_Seed, ...], BeforeValidator(only_lists), *_Distinct]

_NATURAL: TypeAdapter[int] = TypeAdapter(Natural)
_SEEDS: TypeAdapter[tuple[int, ...]] = TypeAdapter(SeedList)
_SEED_COUNT: TypeAdapter[int] = TypeAdapter(Annotated[int, Field(strict=True, ge=1, le=MAX_POINTS)])
_SCALARS: TypeAdapter[tuple[Scalar, ...]] = TypeAdapter(
    Annotated[tuple[Annotated[Any, PlainValidator(_scalar)], ...], *_Distinct]
)
_GIVEN: TypeAdapter[Any] = TypeAdapter(
    Annotated[tuple[Annotated[Any, PlainValidator(lambda value: _option(value))], ...], Field(min_length=1)]
)


def _setting(value: object) -> Scalar | tuple[Scalar, ...]:
    return _SCALARS.validate_python(value) if isinstance(value, list | tuple) else _scalar(value)


def _hyperparameter(value: object) -> Given | tuple[Given, ...]:
    return _GIVEN.validate_python(value) if isinstance(value, list | tuple) else _scalar(value)


def _option(value: object) -> Scalar | tuple[Scalar, ...]:
    return tuple(map(_scalar, value)) if isinstance(value, list | tuple) else _scalar(value)


Setting = PlainValidator(_setting)  # a value, or a list of different ones as an axis
Hyperparameter = PlainValidator(_hyperparameter)  # a value, a list of values, or a list of lists
Option = PlainValidator(_option)  # a task's option: a value, or a list as a whole


def _batch_size(value: object) -> int:
    try:
        # the word stands in a number's place until the task is known, which is before anything is planned
        return cast(int, FULL) if value == FULL else _NATURAL.validate_python(value)
    except ValidationError:
        raise ValueError(f"must be an integer from 1 on, or {FULL} for the whole training split") from None


BatchSize = Annotated[
    int, PlainValidator(_batch_size), PlainSerializer(lambda size: size, return_type=int | str)
]


def seed_list(value: object) -> tuple[int, ...]:
    """Return ``n`` as the seeds 0 to n - 1, and a list as it is."""
    if isinstance(value, list | tuple):
        return _SEEDS.validate_python(value)
    return tuple(range(_SEED_COUNT.validate_python(value)))


class Strict(BaseModel):
    """The base of all parts of a study: they cannot be changed, and refuse keys that they do not have.

    Values are first made plain by ``as_yaml``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _from_python(cls, data: Any) -> Any:
        return as_yaml(data) if isinstance(data, Mapping) else data

    @model_serializer(mode="wrap")
    def _without_none(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys that are None; a hyperparameter that was given as null stays."""
        extra = self.model_extra or {}
        return {key: value for key, value in handler(self).items() if value is not None or key in extra}


def dumped(value: Any) -> Any:
    """Return a value that is of one kind or another, as the file has it."""
    return value.model_dump(mode="json") if isinstance(value, Strict) else value
