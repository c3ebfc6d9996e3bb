import numpy as np
import pandas as pd
import pytest

import analysis


def suite(rows, errors):
    """Test errors by label and task; the test error is what the rows' validation error plus .01 gives."""
    return pd.concat([
        rows({(0.1, 0.0): [error if isinstance(error, str) else error - 0.01]}, label, task=f"task{index}")
        for label, line in errors.items() for index, error in enumerate(line)
    ])  # fmt: skip


def test_the_hand_worked_profile(rows):
    # ratios: adamw 1, 1, 2; sgd 3, 1, 1; muon 5 (above 4), none, 1
    errors = {"adamw": [0.1, 0.2, 0.2], "sgd": [0.3, 0.2, 0.1], "muon": [0.5, "failed", 0.1]}
    table = analysis.performance_profile(suite(rows, errors))
    steps = table.pivot(index="label", columns="ratio", values="share")
    assert steps.columns.tolist() == pytest.approx([1, 2, 3, 4])
    np.testing.assert_allclose(steps.loc["adamw"] * 3, [2, 3, 3, 3])
    np.testing.assert_allclose(steps.loc["sgd"] * 3, [2, 2, 3, 3])
    np.testing.assert_allclose(steps.loc["muon"] * 3, [1, 1, 1, 1])
    first = table.drop_duplicates("label").set_index("label")
    assert first["missing"].to_dict() == {"adamw": 0, "muon": 1, "sgd": 0}
    # the area of a workload is (4 - ratio) / 3, at least 0
    assert first.loc["sgd", "score"] == pytest.approx((1 / 3 + 1 + 1) / 3)
    assert first.loc["muon", "score"] == pytest.approx(1 / 3)


def test_beside_no_error_at_all_only_equals_count(rows):
    table = analysis.performance_profile(
        suite(rows, {"a": [0.01], "b": [0.02]}).assign(test_accuracy=[1.0, 0.9])
    )
    assert table.groupby("label")["share"].max().tolist() == [1.0, 0.0]


@pytest.mark.parametrize("r_max", [1.0, np.inf, np.nan])
def test_a_largest_ratio_that_leaves_no_room_is_refused(hand, r_max):
    with pytest.raises(ValueError, match="r_max must be above 1 and finite"):
        analysis.performance_profile(hand, r_max=r_max)
