"""Flatness of all or of selected cells, and second moments, through a whole study."""

import pandas as pd
import pytest

import analysis
from studies import SpecError, StudySpec, load, load_diagnostics, run

MEASURED = ["lambda_max", "hessian_trace", "hessian_trace_se", "sam_sharpness"]
FREE = ["wall_seconds", "pack_id", "worker", *MEASURED]


def study(**changes):
    settings = {
        "name": "flat",
        "task": {"name": "two-minima", "examples": 64},
        "budget": {"epochs": 2, "batch_size": 8},
        "seeds": 2,
        "grid": {"lr": [1e-3, 1e-2], "weight_decay": [0.0, 0.1], "grad_scale": [1, 2]},
        "optimizers": {"adamw": {}, "sgd": {}},
    }
    return StudySpec(**{**settings, **changes})


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(study(), out=tmp_path_factory.mktemp("plain") / "flat", workers=0)


def test_without_flatness_there_is_none(plain):
    assert plain.rows[MEASURED].isna().all(axis=None)
    assert load_diagnostics(plain.location).empty


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.ray(shared=True))])
def test_selected_cells_are_measured_and_all_else_stays(plain, tmp_path, workers):
    asked = study(flatness="selected", diagnostics={"epochs": [1]})
    outcome = run(asked, out=tmp_path / "flat", workers=workers)
    pd.testing.assert_frame_equal(outcome.rows.drop(columns=FREE), plain.rows.drop(columns=FREE))
    best = analysis.selected_cells(plain.rows)
    at_best = outcome.rows.merge(best[["label", "lr", "weight_decay"]]).query("grad_scale == 1")
    assert len(at_best) == 2 * 2
    assert at_best[MEASURED].notna().all(axis=None)
    assert outcome.rows["lambda_max"].notna().sum() == 2 * 2
    assert len(load_diagnostics(outcome.location)) == 2 * 4 * 2


def test_a_stored_study_is_measured_when_it_asks_for_it(tmp_path):
    run(study(), out=tmp_path / "flat", workers=0)
    assert run(study(flatness="all"), out=tmp_path / "flat", workers=0).rows["lambda_max"].notna().all()
    before = load(tmp_path / "flat")
    run(study(flatness="all"), out=tmp_path / "flat", workers=0)
    pd.testing.assert_frame_equal(load(tmp_path / "flat"), before)


def test_second_moments_are_a_table_of_their_own(tmp_path):
    outcome = run(study(diagnostics={"epochs": [2]}), out=tmp_path / "flat", workers=0)
    assert "figures/distortion.png" in outcome.files
    moments = load_diagnostics(outcome.location)
    adamw = outcome.rows[outcome.rows["optimizer"] == "adamw"]
    assert set(moments["trial_id"]) == set(adamw["trial_id"])
    assert set(zip(moments["epoch"], moments["layer"], strict=True)) == {(2, "at")}
    assert analysis.distortion(outcome.rows, moments)["runs"].tolist() == [len(adamw)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flatness": "some"}, "flatness"),
        (
            {"flatness": "selected", "grid": {"lr": [1.0], "weight_decay": [0], "grad_scale": [2]}},
            "needs 1 among",
        ),
        ({"diagnostics": {"epochs": [3]}}, r"at most budget.epochs \(2\)"),
        ({"diagnostics": {"epochs": [1, 1]}}, "each epoch once"),
        ({"diagnostics": {"epochs": []}}, "diagnostics.epochs"),
    ],
)
def test_what_cannot_be_measured_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        study(**changes)
