import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis

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
