"""Several studies that are reported on together: what is read, and what is refused."""

import pytest

from studies import StudySpec, run
from studies.reports.suite import Suite
from studies.spec.errors import StoreError
from studies.store.store import Store


def study(**changes):
    settings = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": [0.01], "weight_decay": [0]},
        "optimizers": {"adamw": {}, "sgd": {}, "ada2ms": {}},
        "verdict": {"candidate": "ada2ms(mixing=0.5)"},
    }
    return StudySpec(**{**settings, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("suite") / "s"
    run(study(), out=out, workers=0, engine="sequential")
    return out


def made(folder, spec):
    """Make a study's folder without rows."""
    Store(folder).write_study(spec.to_yaml())
    return folder


def test_one_folder_is_written_into_itself_and_several_need_another(folder, tmp_path):
    assert Suite.open([folder], None).target.location == str(folder)
    assert Suite.open([folder], tmp_path / "o").target.location == str(tmp_path / "o")
    with pytest.raises(StoreError, match="--out: 2 folders together need a folder"):
        Suite.open([folder, folder], None)


def test_a_study_without_rows_and_a_task_held_twice_are_refused(folder, tmp_path):
    empty = made(tmp_path / "empty", study())
    with pytest.raises(StoreError, match="empty: holds no finished trial yet"):
        _ = Suite.open([empty], None).rows
    with pytest.raises(StoreError, match="is given 2 times; give each folder once"):
        _ = Suite.open([folder, folder], tmp_path / "out").rows


def test_rows_and_curves_of_a_folder_are_its_studys(folder):
    suite = Suite.open([folder], None)
    assert suite.rows["label"].tolist() == ["ada2ms(mixing=0.5)", "adamw", "sgd"]
    assert set(suite.curves()["trial_id"]) == set(suite.rows["trial_id"])
    assert suite.diagnostics().empty


def test_a_verdict_is_declared_if_all_studies_declare_the_same(folder, tmp_path):
    none = made(tmp_path / "none", study(verdict=None))
    strict = made(tmp_path / "strict", study(verdict={"candidate": "ada2ms(mixing=0.5)", "alpha": 0.01}))
    assert Suite.open([folder], None).declared_verdict() == study().verdict
    assert Suite.open([none], None).declared_verdict() == "the study declares none"
    for other in (none, strict):
        suite = Suite.open([folder, other], tmp_path / "out")
        assert suite.declared_verdict() == "the studies declare different ones"
