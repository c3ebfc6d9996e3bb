"""Ranges: what is in them, and what is said of a value that is not."""

import math

import pytest
import torch

from robustness.optimizers.ranges import AT_LEAST_ONE, DECAY_RATE, FINITE, FRACTION, NOT_NEGATIVE, validate


@pytest.mark.parametrize(
    ("allowed", "inside", "outside"),
    [
        (NOT_NEGATIVE, [0, 1e300, torch.tensor(0.5)], [-1e-300, math.inf, math.nan]),
        (AT_LEAST_ONE, [1, 1e9], [0.99, math.inf, math.nan]),
        (FRACTION, [0, 0.5, 1], [-0.1, 1.1, math.nan]),
        (DECAY_RATE, [0, 0.999], [-0.1, 1, math.nan]),
        (FINITE, [-5, 0, 5], [-math.inf, math.inf, math.nan]),
    ],
)
def test_the_edges_of_a_range(allowed, inside, outside) -> None:
    for value in inside:
        validate({"x": value}, {"x": allowed})
    for value in outside:
        with pytest.raises(ValueError, match="x must be"):
            validate({"x": value}, {"x": allowed})


def test_none_is_a_number_only_where_it_is_allowed() -> None:
    validate({"x": None}, {"x": FRACTION.or_none()})
    with pytest.raises(TypeError, match="x must be a number, but got None"):
        validate({"x": None}, {"x": FRACTION})
    with pytest.raises(ValueError, match=r"x must be in \[0, 1\], but got 2"):
        validate({"x": 2}, {"x": FRACTION.or_none()})


def test_names_without_a_range_are_left_alone() -> None:
    validate({"x": "anything", "y": None})
    validate({"x": 3}, {"y": FRACTION})


def test_a_class_may_narrow_a_shared_range() -> None:
    validate({"lr": 2})
    with pytest.raises(ValueError, match=r"lr must be in \[0, 1\], but got 2"):
        validate({"lr": 2}, {"lr": FRACTION})
