"""The kinds of value that a study's keys may have."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from studies.spec.values import Decays, Option, Rates, Scales, Setting, as_yaml, rounded, seed_list


def read(kind, value):
    return TypeAdapter(kind).validate_python(value)


def test_a_number_of_seeds_is_that_many_and_a_list_is_itself():
    assert seed_list(3) == (0, 1, 2)
    assert seed_list([5, 2]) == (5, 2)
    for wrong in (0, True, 1.0, [1, 1], [-1], []):
        with pytest.raises(ValidationError):
            seed_list(wrong)


def test_equal_values_are_one_value_and_may_not_be_given_twice():
    assert read(Decays, 0) == (0.0,)
    for twice in ([0, 0.0], [0.0, -0.0], [1e-3, 0.001]):
        with pytest.raises(ValidationError, match="is given twice"):
            read(Decays, twice)


def test_a_list_is_an_axis_of_a_hyperparameter_but_one_value_of_a_tasks_option():
    assert read(Annotated[Any, Setting], [0.5, None]) == (0.5, None)
    assert read(Annotated[Any, Option], [8, 8]) == (8, 8)
    with pytest.raises(ValidationError, match="is given twice"):
        read(Annotated[Any, Setting], [8, 8])


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": 1}, [[1]], 2**70, b"x"])
def test_what_no_hyperparameter_can_be_is_refused(value):
    with pytest.raises(ValidationError, match="must be a finite number, text, true, false or null"):
        read(Annotated[Any, Setting], value)


def test_learning_rates_are_positive_numbers_in_a_list():
    assert read(Rates, [1, 0.1]) == (1.0, 0.1)
    for wrong in (0.1, [0], [-1.0], ["0.1"], [True]):
        with pytest.raises(ValidationError):
            read(Rates, wrong)


def test_rounding_removes_the_last_bits_of_a_rate_and_nothing_else():
    assert rounded(0.1 + 0.2) == 0.3
    assert rounded(9.486832980505138e-05) == 9.48683e-05
    assert rounded(1.0) == 1.0


@pytest.mark.parametrize("kind", [Rates, Scales, Decays, Annotated[Any, Setting]])
def test_numbers_that_are_equal_but_for_rounding_are_one_and_may_not_be_given_twice(kind):
    assert read(kind, [0.1 + 0.2]) == read(kind, [0.3]) == (0.3,)
    with pytest.raises(ValidationError, match="is given twice"):
        read(kind, [0.1, 0.10000000000000002])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.int32(3), 3),
        (np.uint8(255), 255),
        (np.bool_(True), True),
        (np.float64(0.1), 0.1),
        (np.float32(1e-4), 1e-4),  # and not 9.999999747378752e-05
        (np.float16(0.1), 0.1),
        (np.str_("sgd"), "sgd"),
        (Path("data") / "images", str(Path("data", "images"))),
        (np.array(0.5), 0.5),
        (np.arange(3), [0, 1, 2]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([True, False]), [True, False]),
        (np.array([0.5, None, "a", np.int64(1), (1, 2)], dtype=object), [0.5, None, "a", 1, [1, 2]]),
        (np.ma.array([1.0, 2.0]), [1.0, 2.0]),
        (pd.Series([1, 2], index=["a", "b"]), [1, 2]),
        (range(2), [0, 1]),
        ({np.str_("lr"): (1, np.float32(0.1))}, {"lr": [1, 0.1]}),
    ],
)
def test_values_of_python_and_numpy_are_those_that_yaml_has(given, expected):
    read = as_yaml(given)
    assert (read, type(read)) == (expected, type(expected))
    if isinstance(expected, list):
        assert [type(one) for one in read] == [type(one) for one in expected]
    if isinstance(expected, dict):
        assert [type(key) for key in read] == [str]


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(width=32, allow_nan=False))
@example(0.0, 999999995904.0)  # written with more characters, but fewer digits: 1e12
def test_a_float_is_kept_and_a_shorter_one_means_its_shortest_decimal(value, short):
    assert as_yaml(np.float64(value)) == value
    read = as_yaml(np.float32(short))
    assert np.float32(read) == np.float32(short)
    digits = [
        len(Decimal(repr(one)).normalize().as_tuple().digits) for one in (read, float(np.float32(short)))
    ]
    assert digits[0] <= digits[1]


@pytest.mark.parametrize(
    "value",
    [
        np.datetime64("2026-01-01"),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
        np.complex128(1j),
        np.bytes_(b"x"),
        np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
    ],
)
def test_what_has_no_word_in_yaml_is_refused_with_its_type(value):
    with pytest.raises(ValidationError, match="must be a number, text, true or false, and no numpy "):
        as_yaml({"a": value})
    with pytest.raises(ValidationError, match="must not have masked values"):
        as_yaml({"a": np.ma.array([1, 2], mask=[False, True])})


def test_lists_that_hold_themselves_or_each_other_often_are_gone_through_once():
    circle = []
    circle.append(circle)
    read = as_yaml(circle)
    assert read[0] is read
    doubled = [1]
    for _ in range(100):
        doubled = [doubled, doubled]
    assert len(as_yaml(doubled)) == 2
