"""A sweep whose first trials all fail for one reason stops, and loses nothing."""

import pytest

from studies.spec.errors import SweepError
from studies.store.rows import Finished
from studies.sweep.first_trials import MOST_ALIKE, FirstTrials


def failed(number, reason="ValueError: no GPU"):
    return Finished([{"trial_id": str(number), "status": "failed", "reason": reason}])


def completed(number):
    return Finished([{"trial_id": str(number), "status": "completed", "reason": None}])


def ids(finished):
    return [row["trial_id"] for row in finished.rows]


def test_trials_that_fail_alike_are_held_back_until_one_differs():
    for other in (completed(2), failed(2, "KeyError: 'x'")):
        first = FirstTrials(MOST_ALIKE)
        assert ids(first.released(failed(0))) == ids(first.released(failed(1))) == []
        assert ids(first.released(other)) == ["0", "1", "2"]
        assert ids(first.released(failed(3))) == ["3"]
        assert ids(first.rest()) == []


def test_as_many_as_suffice_stop_the_sweep_whatever_numbers_their_reasons_hold():
    first = FirstTrials(MOST_ALIKE)
    for number in range(MOST_ALIKE - 1):
        assert ids(first.released(failed(number, f"ValueError: loss {number / 7} at step {number}"))) == []
    with pytest.raises(
        SweepError, match=f"first {MOST_ALIKE} trials all failed for one reason: ValueError: loss"
    ):
        first.released(failed(99, "ValueError: loss nan at step 1e-05"))
    assert ids(first.rest()) == []


def test_what_is_held_back_at_the_end_is_handed_on_and_a_short_sweep_holds_nothing_back():
    first = FirstTrials(MOST_ALIKE)
    first.released(failed(0))
    assert ids(first.rest()) == ["0"]
    assert ids(FirstTrials(MOST_ALIKE - 1).released(failed(0))) == ["0"]
