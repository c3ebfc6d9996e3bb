"""Schedules, by hand."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robustness.training import Schedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), [1, 1, 1, 1, 1]),
        (Schedule("constant", warmup=0.4), [0.5, 1, 1, 1, 1]),
        (Schedule("linear"), [1, 0.8, 0.6, 0.4, 0.2]),
        (Schedule("linear", floor=0.1, until=0.4), [1, 0.55, 0.1, 0.1, 0.1]),
        (
            Schedule("cosine"),
            [1, 0.9045084971874737, 0.6545084971874737, 0.3454915028125263, 0.09549150281252627],
        ),
        (Schedule("cosine", warmup=0.2, floor=0.5), [1, 1, 0.9267766952966369, 0.75, 0.5732233047033631]),
    ],
)
def test_five_steps_worked_by_hand(schedule, expected):
    assert [schedule.multiplier(step, 5) for step in range(5)] == pytest.approx(expected, rel=1e-12)


@given(
    st.builds(
        Schedule,
        name=st.sampled_from(["constant", "cosine", "linear"]),
        warmup=st.floats(0, 0.5),
        floor=st.floats(0, 1),
        until=st.floats(0.51, 1),
    ),
    st.integers(1, 200),
)
def test_after_warm_up_the_rate_never_rises_and_stays_between_floor_and_peak(schedule, total):
    rates = [schedule.multiplier(step, total) for step in range(total) if step >= schedule.warmup * total]
    assert all(later <= earlier for earlier, later in pairwise(rates))
    assert all(schedule.floor - 1e-12 <= rate <= 1 for rate in rates)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cosin"}, "must be one of constant, cosine, linear, but got 'cosin'"),
        ({"warmup": 1.0}, r"warmup must be in \[0, 1\), but got 1.0"),
        ({"floor": -0.1}, r"floor must be in \[0, 1\], but got -0.1"),
        ({"warmup": 0.5, "until": 0.5}, r"until must be in \(warmup, 1\]"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**arguments)
