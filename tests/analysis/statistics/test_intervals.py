import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.intervals import mean_interval


def test_three_values_by_hand():
    table = mean_interval(pd.DataFrame({"g": "a", "v": [1.0, 2.0, 3.0]}), "v", ["g"])
    assert table.columns.tolist() == ["g", "mean", "sd", "n", "low", "high"]
    half = 4.302652729911275 / np.sqrt(3)  # t at .975 and 2 degrees of freedom, sd = 1
    np.testing.assert_allclose(table.loc[0, ["mean", "sd", "n"]].astype(float), [2, 1, 3], rtol=1e-12)
    np.testing.assert_allclose(table.loc[0, ["low", "high"]].astype(float), [2 - half, 2 + half], rtol=1e-9)


def test_one_value_has_a_mean_and_no_interval_and_none_has_neither():
    data = pd.DataFrame({"g": ["a", "b"], "v": [1.0, np.nan]})
    table = mean_interval(data, "v", ["g"]).set_index("g")
    assert table.loc["a", "mean"] == 1
    assert table["n"].tolist() == [1, 0]
    assert table[["low", "high"]].isna().all(axis=None)


def test_a_null_group_is_a_group():
    data = pd.DataFrame({"g": [0.0, np.nan, np.nan], "v": [1.0, 2.0, 4.0]})
    assert mean_interval(data, "v", ["g"])["mean"].tolist() == [1.0, 3.0]


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8), st.sampled_from([0.5, 0.9, 0.95]))
def test_agrees_with_scipy(values, level):
    table = mean_interval(pd.DataFrame({"g": "a", "v": values}), "v", ["g"], level)
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    np.testing.assert_allclose(table["high"] - table["mean"], half, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(table["mean"] - table["low"], half, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_a_level_outside_its_range_is_refused(level):
    with pytest.raises(ValueError, match="level must be in"):
        mean_interval(pd.DataFrame({"g": ["a"], "v": [1.0]}), "v", ["g"], level)
