import math
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import analysis
from analysis import bits_per_character
from analysis.trials import significant


def test_errors_are_one_minus_accuracy_and_chance_where_diverged(rows):
    runs = analysis.errors(rows({(0.1, 0.0): [0.2, "diverged", "failed"]}))
    np.testing.assert_allclose(runs["val_error"], [0.2, 0.9, np.nan], rtol=1e-12)
    np.testing.assert_allclose(runs["test_error"], [0.21, 0.9, np.nan], rtol=1e-12)
    assert runs["diverged"].tolist() == [False, True, False]
    assert runs["failed"].tolist() == [False, False, True]


def test_a_diverged_run_with_an_accuracy_counts_as_chance_all_the_same(rows):
    trials = rows({(0.1, 0.0): [0.2, 0.3]}).assign(status=["completed", "diverged"])
    np.testing.assert_allclose(analysis.errors(trials)["val_error"], [0.2, 0.9], rtol=1e-12)


def test_rows_come_in_one_order_whatever_the_order_they_came_in(hand):
    assert_frame_equal(analysis.errors(hand.iloc[::-1]), analysis.errors(hand))
    assert analysis.errors(hand)["lr"].is_monotonic_increasing


@pytest.mark.parametrize("column", analysis.REQUIRED)
def test_a_missing_column_is_named_with_what_it_should_hold(hand, column):
    with pytest.raises(ValueError, match=f"'{column}'") as caught:
        analysis.errors(hand.drop(columns=column))
    assert analysis.REQUIRED[column] in str(caught.value)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("status", "done"),
        ("role", "extra"),
        ("label", None),
        ("lr", 0.0),
        ("lr", np.inf),
        ("lr", "fast"),
        ("grad_scale", np.nan),
        ("seed", 0.5),
        ("weight_decay", -1.0),
        ("chance_accuracy", np.nan),
        ("val_accuracy", np.nan),
        ("test_accuracy", 97.0),
    ],
)
def test_a_value_that_cannot_be_is_refused(hand, column, value):
    with pytest.raises(ValueError, match=f"^{column} must hold"):
        analysis.errors(hand.assign(**{column: value}))


def test_two_rows_for_one_cell_and_seed_are_refused_unless_one_failed(hand, rows):
    with pytest.raises(ValueError, match="must have one row, but 12 rows repeat one"):
        analysis.errors(pd.concat([hand, hand]))
    again = pd.concat([hand, rows({(0.1, 0.0): ["failed", "failed"]})])
    assert len(analysis.errors(again)) == 14


def test_a_task_has_one_chance_and_a_label_one_optimizer(hand):
    seeds = hand["seed"] == 0
    with pytest.raises(ValueError, match="task must determine chance_error"):
        analysis.errors(hand.assign(chance_accuracy=hand["chance_accuracy"].where(seeds, 0.2)))
    with pytest.raises(ValueError, match="task and label must determine optimizer"):
        analysis.errors(hand.assign(optimizer=hand["optimizer"].where(seeds, "sgd")))


def test_categories_and_nullable_columns_read_like_plain_ones(hand):
    dressed = hand.assign(
        label=hand["label"].astype("category"),
        status=hand["status"].astype(object),
        seed=hand["seed"].astype("Int64"),
        val_accuracy=hand["val_accuracy"].astype("Float64"),
        weight_decay=hand["weight_decay"].astype(object),
    )
    assert_frame_equal(analysis.summary(dressed), analysis.summary(hand))


TABLES = [
    "summary", "selected_cells", "test_error", "test_error_by_seed", "sensitivity", "transfer_regret", "width",
    "surface", "scale_exponent", "cross_task_sensitivity", "best_of_k", "tunability", "variance_decomposition",
    "generalization_gap", "performance_profile", "wilcoxon_holm",
]  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_no_rows_give_an_empty_table_of_the_same_columns(hand, name):
    table, trials = getattr(analysis, name), hand.assign(train_accuracy=1.0)
    empty, full = table(trials.iloc[:0]), table(trials)
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


@pytest.mark.parametrize("name", TABLES)
def test_the_rows_given_are_left_as_they_were(hand, name):
    trials = hand.assign(train_accuracy=1.0)
    before = trials.copy()
    getattr(analysis, name)(trials)
    assert_frame_equal(trials, before)


def test_importing_loads_no_deep_learning_library_and_no_drawing():
    code = "import analysis, sys; analysis.summary, analysis.verdict; "
    code += "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "pandas" in loaded
    assert not {"torch", "ray", "optuna", "matplotlib", "seaborn", "robustness", "studies"} & set(loaded)


def test_bits_per_character_are_losses_over_the_logarithm_of_two_for_texts_alone():
    losses = {"train_loss": math.log(4), "val_loss": math.log(8), "test_loss": math.log(2) / 2}
    trials = pd.DataFrame([{"task": task, **losses} for task in ("char-lm", "char-lm/lstm", "digits-mlp")])
    found = bits_per_character(trials)[["train_bits", "val_bits", "test_bits"]]
    assert (
        found.iloc[:2].to_numpy().tolist() == [[pytest.approx(2), pytest.approx(3), pytest.approx(0.5)]] * 2
    )
    assert found.iloc[2].isna().all()


def test_rows_that_are_checked_already_are_taken_as_they_are(hand):
    runs = analysis.errors(hand)
    assert analysis.errors(runs) is runs
    pd.testing.assert_frame_equal(analysis.sensitivity(runs), analysis.sensitivity(hand))
    with pytest.raises(ValueError, match="must have the column"):
        analysis.errors(runs, train=True)


def test_what_is_worse_than_knowing_nothing_counts_as_knowing_nothing(rows):
    table = rows({(0.1, 0.0): [0.95, 0.4, "diverged"]}).assign(train_accuracy=[0.02, 0.6, np.nan])
    runs = analysis.errors(table, train=True)
    np.testing.assert_allclose(runs["val_error"], [0.9, 0.4, 0.9])
    np.testing.assert_allclose(runs["test_error"], [0.9, 0.41, 0.9])
    np.testing.assert_allclose(runs["train_error"], [0.9, 0.4, 0.9])
    assert runs["diverged"].tolist() == [False, False, True]


written_rates = st.builds(
    lambda digits, power: float(f"{digits}e{power}"), st.integers(1, 999_999), st.integers(-12, 3)
)
few_bits = st.integers(-4, 4)


def bits_off(value, bits):
    """Return the float that is so many floats above a value."""
    return float((np.array(value).view(np.int64) + bits).view(np.float64))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(written_rates, min_size=2, max_size=4, unique=True),
    st.lists(st.tuples(few_bits, few_bits, few_bits), min_size=3, max_size=3),
)
def test_rates_that_are_equal_but_for_rounding_are_one_cell_with_all_its_seeds(rows, lrs, noise):
    trials = rows({(lr, 0.01): [0.1 * (index + 1)] * 3 for index, lr in enumerate(lrs)})
    blurred = trials.copy()
    for axis, name in enumerate(("lr", "weight_decay", "grad_scale")):
        blurred[name] = [
            bits_off(value, noise[seed][axis])
            for value, seed in zip(trials[name], trials["seed"], strict=True)
        ]
    selected = analysis.selected_cells(blurred)
    assert selected["seeds"].tolist() == [3]
    assert_frame_equal(selected, analysis.selected_cells(trials))
    assert_frame_equal(analysis.surface(blurred), analysis.surface(trials))
    losses = {"init_loss": 2.0, "train_loss": 0.5}
    curve = analysis.lr_curve(blurred.assign(**losses), metric="train_loss")
    assert_frame_equal(curve, analysis.lr_curve(trials.assign(**losses), metric="train_loss"))


@given(st.integers(100_000_000_000, 999_999_999_998), st.integers(-20, -8))
def test_rates_that_differ_in_the_twelfth_digit_are_two(digits, power):
    below, above = significant([float(f"{digits}e{power}"), float(f"{digits + 1}e{power}")])
    assert below < above


def test_significant_leaves_nulls_and_zero():
    np.testing.assert_array_equal(significant([0.0, np.nan, 0.3, 3.0]), [0.0, np.nan, 0.3, 3.0])
