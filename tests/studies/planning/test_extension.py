"""How a grid grows: which learning rates are added, on which side, up to where."""

import pytest

from studies.planning.extension import Reach, beyond, extension_notes, fresh_seeds
from studies.spec.study import StudySpec


def study(**changes):
    given = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": {"decades": 4, "points": 9}, "weight_decay": [0]},
        "optimizers": {"sgd": {"lr": 1e-2}},
    }
    return StudySpec(**{**given, **changes})


def reach(decades=3.0, **changes):
    spec = study(**changes)
    return Reach(spec.optimizers["sgd"], spec.grid, decades)


def test_a_range_goes_on_as_a_wider_one_with_the_same_centre_would():
    narrow, wide = study(), study(grid={"lr": {"decades": 10, "points": 21}, "weight_decay": [0]})
    entry = narrow.optimizers["sgd"]
    above = list(beyond(entry, narrow.grid, upper=True, decades=3))
    below = list(beyond(entry, narrow.grid, upper=False, decades=3))
    rates = wide.optimizers["sgd"].rates(wide.grid)
    assert (*reversed(below), *entry.rates(narrow.grid), *above) == rates  # bit for bit


def test_a_list_goes_on_by_the_ratio_of_its_two_outermost_rates():
    spec = study(optimizers={"sgd": {"lr": [0.4, 0.01, 0.1]}})
    entry = spec.optimizers["sgd"]
    assert list(beyond(entry, spec.grid, upper=True, decades=2)) == [
        1.6,
        6.4,
        25.6,
    ]  # 102.4 is 2.4 decades off
    assert list(beyond(entry, spec.grid, upper=False, decades=2)) == [1e-3, 1e-4]


def test_the_ends_of_floats_are_a_bound_too():
    spec = study(optimizers={"sgd": {"lr": [1e300, 1e306]}})
    entry = spec.optimizers["sgd"]
    assert list(beyond(entry, spec.grid, upper=True, decades=100)) == []
    spec = study(
        grid={"lr": {"decades": 2, "points": 3}, "weight_decay": [0]}, optimizers={"sgd": {"lr": 1e307}}
    )
    assert list(beyond(spec.optimizers["sgd"], spec.grid, upper=True, decades=100)) == []


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        (1.0, {True: [3.16228, 10.0, 31.6228]}),
        (0.316228, {True: [3.16228, 10.0]}),
        (0.1, {True: [3.16228]}),
        (0.0316228, {}),
        (1e-4, {False: [3.16228e-5, 1e-5, 3.16228e-6]}),
    ],
)
def test_so_much_is_added_that_the_window_of_s_lies_in_the_grid(best, expected):
    assert reach().extend([best]) == expected


def test_both_sides_are_extended_where_both_are_near_and_the_bound_is_said_once():
    both = reach(decades=1, grid={"lr": {"decades": 2, "points": 3}, "weight_decay": [0]})
    assert both.extend([1e-2]) == {False: [1e-4], True: [1.0]}
    assert both.rates == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    assert both.extend([1.0]) == {True: []}
    assert both.extend([1.0]) == {}


def test_what_is_done_is_said_in_a_line_a_side():
    lines = extension_notes("sgd", [0.1], {False: [0.01, 0.001], True: []}, 3.0)
    assert lines == [
        "extend: sgd: best lr 0.1 lies too near to the lower edge: adding lr 0.01, 0.001",
        "extend: sgd: best lr 0.1 lies too near to the upper edge, and the bound of 3 decades is reached",
    ]


def test_fresh_seeds_are_none_of_the_grids():
    assert fresh_seeds((0, 1, 2), 3) == (1000, 1001, 1002)
    assert fresh_seeds((1000, 1002), 3) == (1001, 1003, 1004)


def test_a_rate_that_a_seed_is_measured_from_must_lie_inside_too():
    notes_of = {True: [3.16228]}
    assert reach().extend([0.0316228, 0.1]) == notes_of
    (line,) = extension_notes("sgd", [0.0316228, 0.1], notes_of, 3.0)
    assert line == (
        "extend: sgd: lr 0.1, the best without one of the seeds, lies too near to the upper edge: adding lr 3.16228"
    )


def test_a_rate_of_many_digits_is_found_in_its_grid():
    rates = [10 ** (power / 3) for power in range(-9, 0)]
    sides = reach(optimizers={"sgd": {"lr": rates}}).extend([float(f"{rates[5]:.12g}")])
    assert {upper: len(added) for upper, added in sides.items()} == {True: 1}
