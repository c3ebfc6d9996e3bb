"""The kinds of value that a study's keys may have."""

from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from studies.spec.values import Decays, Option, Rates, Scales, Setting, rounded, seed_list


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
