"""Everything that makes a comparison invalid is found by its name, and nothing in a valid one."""

import numpy as np
import pandas as pd
import pytest

import analysis

OURS = "ada2ms(mixing=0.5)"


def without(trials, rows):
    return trials[~rows]


def changed(trials, rows, **columns):
    return trials.assign(**{name: trials[name].mask(rows, value) for name, value in columns.items()})


def of(trials, **keys):
    return pd.concat([trials[name] == value for name, value in keys.items()], axis=1).all(axis=1)


def finer(trials, label):
    """Give a label twice as many learning rates in its own range."""
    own = trials[of(trials, label=label, role="grid") & (trials["lr"] < 0.3)]
    return pd.concat([trials, own.assign(lr=own["lr"] * 10**0.25)])


def decays(trials, *values, chosen=-1):
    """Train every run at these decays; the one at the index `chosen` is the best by a little."""
    cost = {value: 0.0 if index == chosen % len(values) else 0.001 for index, value in enumerate(values)}
    parts = [
        trials.assign(weight_decay=value, val_accuracy=trials["val_accuracy"] - cost[value])
        for value in values
    ]
    fresh = trials["role"] == "confirm"
    return pd.concat(
        [part[~fresh | (cost[value] == 0.0)] for part, value in zip(parts, values, strict=True)],
        ignore_index=True,
    )


def moved_by_a_seed(trials):
    """AdamW's best rate without seed 0 is a step above the one of all seeds, so that its window reaches further."""
    own = of(trials, label="adamw", role="grid", grad_scale=1.0)
    step = own & np.isclose(trials["lr"], 0.01 * 10**0.5)
    better = (
        trials["val_accuracy"]
        .mask(step & (trials["seed"] > 0), 0.91)
        .mask(step & (trials["seed"] == 0), 0.80)
    )
    return trials.assign(val_accuracy=better)


def confirmed_elsewhere(trials):
    """AdamW's best cell by test error is another, and its fresh seeds are there."""
    there = of(trials, label="adamw", role="grid", grad_scale=1.0) & np.isclose(trials["lr"], 0.01 * 10**0.5)
    trials = changed(trials, there, test_accuracy=0.99)
    return changed(trials, of(trials, label="adamw", role="confirm"), lr=trials.loc[there, "lr"].iloc[0])


CASES = {
    "null-status": lambda t: changed(t, of(t, label=OURS, seed=0, lr=0.01), status=None),
    "null-result": lambda t: changed(t, of(t, label="sgd", seed=0, lr=0.01), val_accuracy=np.nan),
    "failed-trials": lambda t: changed(t, of(t, label="sgd", seed=1), status="failed"),
    "missing-label": lambda t: pd.concat([t, without(t, t["label"] == OURS).assign(task="letters")]),
    "missing-seeds": lambda t: without(t, of(t, label="sgd", seed=2)),
    "missing-cells": lambda t: without(t, of(t, label="sgd", seed=2, lr=0.01, grad_scale=1e3)),
    "unequal-width": lambda t: wider(t, "sgd", 2, sorted(t["lr"].unique())[4]),
    "cut-window": lambda t: without(t, of(t, label="sgd") & (t["lr"] > 0.3)),
    "decay-edge": lambda t: decays(t, 0.0, 0.1),
    "unequal-cells": lambda t: finer(t, "sgd"),
    "unequal-budget": lambda t: changed(t, of(t, label="sgd"), epochs=6),
    "unequal-schedule": lambda t: t.assign(schedule=t["label"].map({"sgd": "linear"}).fillna("cosine")),
    "edge": lambda t: without(t, t["lr"] > 0.04),
    "nothing-learned": lambda t: changed(t, t["lr"] > 0, val_accuracy=0.05),
    "no-confirmation": lambda t: without(t, of(t, label="sgd", role="confirm")),
    "overlapping-seeds": lambda t: changed(t, of(t, label="sgd", role="confirm", seed=1000), seed=0),
    "test-selection": confirmed_elsewhere,
}


def test_every_problem_has_a_case():
    assert set(CASES) == set(analysis.PROBLEMS)


def test_a_valid_comparison_has_none(comparison):
    found = analysis.check(comparison())
    assert found.columns.tolist() == ["problem", "task", "label", "detail"]
    assert found.empty


@pytest.mark.parametrize("problem", CASES)
def test_it_is_found_by_its_name(comparison, problem):
    found = analysis.check(CASES[problem](comparison()))
    assert problem in set(found["problem"])
    assert found["detail"].str.len().gt(3).all()


@pytest.mark.parametrize(
    ("problem", "label", "detail"),
    [
        ("failed-trials", "sgd", "14 runs failed"),
        ("missing-seeds", "sgd", "no run with seed 2"),
        ("missing-cells", "sgd", "1 runs of 21 are not there at gradient scale 1000"),
        ("unequal-width", None, f"decades of learning rates: {OURS}: 3; adamw: 3; sgd: 4"),
        ("unequal-budget", None, f"epochs 5: {OURS}, adamw; 6: sgd"),
        ("overlapping-seeds", "sgd", "seed 0 is in both"),
        ("null-status", OURS, "2 rows, which are left out"),
        (
            "test-selection",
            "adamw",
            "confirmed at the test-best lr 0.0316228, not at the validation-best 0.01",
        ),
    ],
)
def test_it_says_where_and_what(comparison, problem, label, detail):
    found = analysis.check(CASES[problem](comparison())).set_index("problem").loc[problem]
    assert (found["label"] if isinstance(found["label"], str) else None) == label
    assert found["detail"] == detail


def test_one_fault_is_not_called_several(comparison):
    for problem in ("failed-trials", "missing-cells", "unequal-budget", "overlapping-seeds"):
        found = set(analysis.check(CASES[problem](comparison()))["problem"])
        assert found - {"missing-seeds"} == {problem}


def test_a_test_split_that_is_the_validation_split_is_found(comparison):
    trials = comparison()
    found = analysis.check(trials.assign(test_accuracy=trials["val_accuracy"]))
    assert found["problem"].tolist() == ["test-selection"]
    assert "the same split" in found["detail"].iloc[0]


def wider(trials, label, cells, best):
    """Add cells above a label's grid, and move its best cell to `best`."""
    top = trials[of(trials, label=label, role="grid") & (trials["lr"] > 0.3)]
    trials = pd.concat([trials, *(top.assign(lr=0.01 * 10 ** (2 + 0.5 * cell)) for cell in range(cells))])
    trials.loc[of(trials, label=label, role="grid", lr=best), "val_accuracy"] = 0.95
    return changed(trials, of(trials, label=label, role="confirm"), lr=best)


def test_a_grid_that_had_to_be_extended_is_fair_and_one_that_had_not_is_not(comparison):
    rates = sorted(comparison()["lr"].unique())
    assert analysis.check(wider(comparison(), "sgd", 3, rates[-1])).empty
    found = analysis.check(wider(comparison(), "sgd", 2, rates[-1]))
    assert found["problem"].tolist() == ["cut-window"]
    found = analysis.check(wider(comparison(), "sgd", 2, rates[4]))["problem"].tolist()
    assert found == ["unequal-width", "unequal-cells"]


def test_a_failed_confirmation_is_none(comparison):
    trials = comparison()
    found = analysis.check(changed(trials, of(trials, label="sgd", role="confirm"), status="failed"))
    assert found["problem"].tolist() == ["failed-trials", "no-confirmation"]


def test_no_rows_and_a_missing_column_are_refused(comparison):
    with pytest.raises(ValueError, match="at least one row"):
        analysis.check(comparison().iloc[:0])
    with pytest.raises(ValueError, match="must have the column 'status'"):
        analysis.check(comparison().drop(columns="status"))


def test_the_window_of_s_must_lie_in_the_grid_for_every_seed(comparison):
    trials = moved_by_a_seed(comparison())
    best = analysis.selected_cells(trials).set_index("label").loc["adamw"]
    assert (best["lr"], best["edge_distance"]) == (0.01, 3)
    assert set(analysis.sensitivity(trials).query("label == 'adamw'")["cells"]) == {6, 7}
    problems = analysis.check(trials)
    assert problems[["problem", "label"]].to_numpy().tolist() == [["cut-window", "adamw"]]
    assert problems.loc[0, "detail"] == (
        "the best learning rate without one of the seeds, 0.0316228, is 2 cells from the edge of its grid; S takes 3 "
        "on either side"
    )


@pytest.mark.parametrize(
    ("values", "chosen", "detail"),
    [
        ((0.0, 0.01, 0.1), 2, "the best weight decay, 0.1, is the largest of its grid (0, 0.01, 0.1)"),
        (
            (0.001, 0.01, 0.1),
            0,
            "the best weight decay, 0.001, is the smallest of its grid (0.001, 0.01, 0.1)",
        ),
        ((0.0, 0.01, 0.1), 0, None),
        ((0.0, 0.01, 0.1), 1, None),
        ((0.1,), 0, None),
    ],
)
def test_a_best_decay_at_an_end_of_its_grid_is_a_problem_and_zero_is_no_end(
    comparison, values, chosen, detail
):
    problems = analysis.check(decays(comparison(), *values, chosen=chosen))
    assert problems["problem"].tolist() == (["decay-edge"] * 3 if detail else [])
    assert set(problems["detail"]) == ({detail} if detail else set())
