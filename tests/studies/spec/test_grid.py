"""Grids: learning rates around a centre, and the values that a study may give for them."""

import pytest
from pydantic import ValidationError

from studies.spec.grid import Grid, LogRange


@pytest.mark.parametrize(
    ("centre", "points", "rates"),
    [
        (1e-3, 5, (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)),
        (3e-3, 9, (3e-5, 9.48683e-5, 3e-4, 9.48683e-4, 3e-3, 9.48683e-3, 0.03, 0.0948683, 0.3)),
        (0.1, 4, (0.001, 0.0215443, 0.464159, 10.0)),
        (0.7, 1, (0.7,)),
    ],
)
def test_a_range_lies_around_its_centre_and_is_rounded_to_six_digits(centre, points, rates):
    assert LogRange(decades=4, points=points).values(centre) == rates


def test_indices_beyond_a_range_go_on_with_its_spacing():
    narrow, wide = LogRange(decades=2, points=3), LogRange(decades=4, points=5)
    assert [narrow.at(0.1, index) for index in range(-1, 4)] == list(wide.values(0.1))


@pytest.mark.parametrize(
    ("decades", "centre", "message"),
    [
        (100, 1e300, "beyond floats"),
        (100, 1e-300, "beyond floats"),
        (1e-9, 1.0, "gives equal learning rates"),
    ],
)
def test_a_range_that_floats_cannot_hold_apart_is_refused(decades, centre, message):
    with pytest.raises(ValueError, match=message):
        LogRange(decades=decades, points=3).values(centre)


def test_one_value_of_an_axis_is_a_list_of_one_but_a_learning_rate_alone_is_refused():
    assert Grid(weight_decay=0, grad_scale=10).weight_decay == (0.0,)
    with pytest.raises(ValidationError, match="must be {decades: …, points: …} or a list of learning rates"):
        Grid(lr=0.1)
