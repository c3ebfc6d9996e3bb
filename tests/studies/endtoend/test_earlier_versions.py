"""A study's folder that an earlier version wrote is read, reported on, repeated and gone on with."""

import shutil
from pathlib import Path

import pytest

from studies import StudySpec, load, load_curves, load_diagnostics, report, run, status
from studies.store.layout import STUDY_FILE
from studies.store.provenance import read_runs
from studies.store.store import Store
from studies.sweep.replay import replay

STORED = Path(__file__).parents[2] / "data" / "study-0.1.0"
LABELS = ["adamw", "sgd", "ada2ms(mixing=0.5)"]


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(STORED, tmp_path / "earlier")


def test_its_tables_are_read_and_its_run_is_on_record():
    rows = load(STORED)
    assert len(rows) == 21
    assert set(rows["version"]) == {"0.1.0"}
    assert set(load_curves(STORED)["trial_id"]) == set(rows["trial_id"])
    assert set(load_diagnostics(STORED)["trial_id"]) <= set(rows["trial_id"])
    (entry,) = read_runs(Store(STORED))
    assert (entry["outcome"], entry["versions"]["ada2ms-robustness"]) == ("completed", "0.1.0")


def test_every_stored_trial_is_one_that_the_study_asks_for():
    counts = status(STORED).set_index("optimizer")
    assert list(counts.index) == [*LABELS, "all"]
    assert counts["planned"].tolist() == [7, 7, 7, 21]
    assert counts.loc["all", ["diverged", "failed", "missing"]].tolist() == [6, 0, 0]


def test_it_is_reported_on_and_stays_as_it_is(folder, tmp_path):
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    written = report(folder, out=tmp_path / "report")
    assert set(written.summary["label"]) == set(LABELS)
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert "21 of 21 planned" in page
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("label", LABELS)
def test_a_trial_comes_back(label):
    rows = load(STORED)
    trial_id = rows.loc[(rows["label"] == label) & (rows["lr"] == 0.01), "trial_id"].iloc[0]
    again = replay(STORED, trial_id)
    assert again.equal, again.table


def test_the_same_study_trains_nothing_and_a_new_seed_only_what_is_new(folder):
    spec = StudySpec.from_text((folder / STUDY_FILE).read_text(), STUDY_FILE)
    before = load(folder)
    run(spec, out=folder, workers=0, engine="fused")
    assert load(folder).equals(before)
    run(spec.model_copy(update={"seeds": (0, 1, 2)}), out=folder, workers=0, engine="fused")
    after = load(folder)
    assert after[after["trial_id"].isin(before["trial_id"])].reset_index(drop=True).equals(before)
    assert set(after.loc[after["seed"] == 2, "label"]) == set(LABELS)
