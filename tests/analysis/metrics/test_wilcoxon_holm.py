import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.statistics.holm import holm


def suite(rows, errors):
    return pd.concat([
        rows({(0.1, 0.0): [error]}, label, task=f"task{index}")
        for label, line in errors.items() for index, error in enumerate(line)
    ])  # fmt: skip


def test_holm_by_hand():
    # sorted .01 .03 .04 times 3, 2, 1: .03, .06, and .04 raised to .06
    np.testing.assert_allclose(holm(np.array([0.04, 0.01, np.nan, 0.03])[[0, 1, 3]]), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(holm(np.array([0.04, np.nan])), [0.08, np.nan])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_six_differences_of_one_sign_are_just_significant(rows):
    base = np.array([0.1, 0.2, 0.3, 0.25, 0.15, 0.05])
    steps = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06])
    table = analysis.wilcoxon_holm(suite(rows, {"a": base, "b": base + steps, "c": base}))
    assert table[["first", "second"]].to_numpy().tolist() == [["a", "b"], ["a", "c"], ["b", "c"]]
    # 2 of the 2^6 signs are as extreme; a and c do not differ anywhere
    np.testing.assert_allclose(table["p"], [2 / 64, 1.0, 2 / 64], rtol=1e-12)
    np.testing.assert_allclose(table["p_holm"], [6 / 64, 1.0, 6 / 64], rtol=1e-12)
    np.testing.assert_allclose(table["median_difference"], [-0.035, 0, 0.035], atol=1e-12)


def test_workloads_without_a_value_are_not_compared(rows):
    table = analysis.wilcoxon_holm(
        suite(rows, {"a": [0.1, 0.2, 0.3], "b": [0.2, "failed", 0.1], "c": ["failed"] * 3})
    )
    assert table["workloads"].tolist() == [2, 0, 0]
    assert table["p"].isna().tolist() == [False, True, True]
    assert table.loc[0, "p"] == pytest.approx(1.0)
