import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis.statistics.pareto import hypervolume, hypervolume_history, on_front

BOTH = {"a": "minimize", "b": "minimize"}
UNIT = {"a": 0.0, "b": 0.0}, {"a": 1.0, "b": 1.0}


def table(*rows, names="ab"):
    return pd.DataFrame(rows, columns=list(names), dtype=float)


def test_hypervolume_of_two_points_is_the_area_of_their_rectangles():
    # 0.8 x 0.4 and 0.5 x 0.7 overlap in 0.5 x 0.4
    assert hypervolume(table((0.2, 0.6), (0.5, 0.3)), BOTH, *UNIT) == pytest.approx(0.47, abs=1e-12)


def test_hypervolume_of_three_objectives_is_the_volume_of_their_boxes():
    points = table((0.5, 0.5, 0.5), (0.0, 0.9, 0.9), names="abc")
    objectives, best, worst = (
        dict.fromkeys("abc", "minimize"),
        dict.fromkeys("abc", 0),
        dict.fromkeys("abc", 1),
    )
    # 1/8, and 1 x 0.1 x 0.1 of which half lies within it
    assert hypervolume(points, objectives, best, worst) == pytest.approx(0.125 + 0.005, abs=1e-12)


def test_directions_and_bounds_are_those_of_the_objectives():
    points = table((0.2, 3.0))
    share = hypervolume(points, {"a": "minimize", "b": "maximize"}, {"a": 0, "b": 4}, {"a": 0.4, "b": 0})
    assert share == pytest.approx(0.5 * 0.75, abs=1e-12)


def test_points_beyond_the_worst_add_nothing_and_beyond_the_best_no_more_than_all():
    assert hypervolume(table((2.0, 0.1)), BOTH, *UNIT) == 0
    assert hypervolume(table((-1.0, -1.0)), BOTH, *UNIT) == 1
    assert hypervolume(table((np.nan, 0.1)), BOTH, *UNIT) == 0


def test_one_objective_has_a_best_point_and_a_share():
    points = table((0.25,), (0.5,), names="a")
    assert hypervolume(points, {"a": "minimize"}, {"a": 0}, {"a": 1}) == pytest.approx(0.75)
    assert on_front(points, {"a": "maximize"}).tolist() == [False, True]


def test_the_history_never_falls_and_ends_at_the_whole():
    points = table((0.6, 0.6), (0.9, 0.9), (0.2, 0.7))
    history = hypervolume_history(points, BOTH, *UNIT)
    np.testing.assert_allclose(history["hypervolume"], [0.16, 0.16, 0.16 + 0.8 * 0.3 - 0.4 * 0.3], atol=1e-12)
    assert history["points"].tolist() == [1, 2, 3]


coordinates = st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=7)


@given(coordinates)
def test_hypervolume_counts_the_dominated_cells_of_a_lattice(rows):
    points = table(*rows, names="abc") / 5
    objectives, best, worst = (
        dict.fromkeys("abc", "minimize"),
        dict.fromkeys("abc", 0),
        dict.fromkeys("abc", 1),
    )
    cells = np.indices((5, 5, 5)).reshape(3, -1).T
    covered = (np.array(rows)[:, None, :] <= cells).all(-1).any(0).sum()
    assert hypervolume(points, objectives, best, worst) == pytest.approx(covered / 125, abs=1e-12)


@given(coordinates)
def test_the_front_alone_has_all_of_the_hypervolume(rows):
    points = table(*rows, names="abc") / 5
    objectives, best, worst = (
        dict.fromkeys("abc", "minimize"),
        dict.fromkeys("abc", 0),
        dict.fromkeys("abc", 1),
    )
    front = points[on_front(points, objectives)]
    whole = hypervolume(points, objectives, best, worst)
    assert hypervolume(front, objectives, best, worst) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize(
    ("objectives", "message"),
    [
        ({"c": "minimize"}, r"\['c'\] are not among"),
        ({"a": "smaller"}, "minimize, maximize, but got 'smaller'"),
    ],
)
def test_wrong_objectives_are_refused(objectives, message):
    with pytest.raises(ValueError, match=message):
        on_front(table((0.0, 0.0)), objectives)


def test_bounds_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match="best must be better than worst"):
        hypervolume(table((0.0, 0.0)), BOTH, UNIT[1], UNIT[0])


POINTS = st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=25)


def test_a_hand_made_front():
    table = pd.DataFrame({"e": [1, 2, 3, 1, 1, np.nan], "s": [3, 1, 1, 3, 4, 0], "task": list("aaaaab")})
    assert analysis.pareto(table, ["e", "s"])["on_front"].tolist() == [True, True, False, True, False, False]


def test_groups_have_fronts_of_their_own():
    table = pd.DataFrame({"e": [1, 2, 2], "s": [1, 2, 2], "task": ["a", "a", "b"]})
    assert analysis.pareto(table, ["e", "s"], within=["task"])["on_front"].tolist() == [True, False, True]


@given(POINTS)
def test_agrees_with_all_pairs(points):
    array = np.array(points, dtype=float).reshape(-1, 3)
    dominated = [any((p <= q).all() and (p < q).any() for p in array) for q in array]
    front = analysis.pareto(pd.DataFrame(array, columns=["a", "b", "c"]), ["a", "b", "c"])["on_front"]
    assert front.tolist() == [not is_dominated for is_dominated in dominated]


@pytest.mark.parametrize("columns", ["ab", ["a"], ["a", "a"]])
def test_fewer_than_two_columns_are_refused(columns):
    with pytest.raises(ValueError, match="columns must be at least 2 different names"):
        analysis.pareto(pd.DataFrame({"a": [1.0]}), columns)


def test_an_unknown_column_is_named():
    with pytest.raises(ValueError, match=r"must have the columns \['b'\], but has \['a'\]"):
        analysis.pareto(pd.DataFrame({"a": [1.0]}), ["a", "b"])
