"""A folder opened as the study that it holds: how far it is, from one reading of its files."""

from collections import Counter

import pandas as pd
import pytest

from studies.spec.errors import SpecError, StoreError
from studies.store.files import Files
from studies.store.layout import OWN_CODE_FILE, ROWS, SEARCH_RECORD, STUDY_FILE, TASK_FILE
from studies.store.store import Store
from studies.store.study_folder import TO_COME, StoredStudy, failures, open_store, status

LABELS = {"sgd": 2, "adamw": 1}


def test_a_study_knows_its_spec_its_task_and_how_far_it_is(tiny, folder):
    study = StoredStudy.open(folder)
    assert study.spec == tiny()
    assert study.task.name == "digits-mlp"
    assert dict(study.planned) == LABELS
    assert Counter(study.rows["status"]) == {"completed": 2, "diverged": 1}
    assert study.progress.counts().loc["sgd"].to_dict() == {
        "planned": 2, "completed": 1, "diverged": 1, "failed": 0,
    }  # fmt: skip


def test_every_file_is_read_once_and_only_when_it_is_needed(folder, monkeypatch):
    read, real = Counter(), Files.read

    def counted(self, name):
        read[name.split("/")[0]] += 1
        return real(self, name)

    monkeypatch.setattr(Files, "read", counted)
    study = StoredStudy.open(folder)
    assert read == {STUDY_FILE: 1, OWN_CODE_FILE: 1}
    parts = len(list((folder / ROWS).iterdir()))
    for _ in range(2):
        assert len(study.rows) == len(study.progress.rows) == sum(study.planned.values()) == 3
    assert read == {STUDY_FILE: 1, OWN_CODE_FILE: 1, TASK_FILE: 1, ROWS: parts}


def test_a_folder_without_its_tasks_file_is_read_by_what_its_rows_say(folder):
    before = StoredStudy.open(folder)
    (folder / TASK_FILE).unlink()
    study = StoredStudy.open(folder)
    assert study.task is None
    assert dict(study.planned) == LABELS
    columns = list(before.rows.columns)
    ordered = study.rows.sort_values("trial_id", ignore_index=True)[columns]
    pd.testing.assert_frame_equal(ordered, before.rows.sort_values("trial_id", ignore_index=True))


def test_what_the_study_no_longer_asks_for_is_left_out(tiny, folder):
    Store(folder).write_study(tiny(optimizers={"adamw": {}, "adam": {}}).to_yaml())
    counts = status(folder).set_index("optimizer")
    assert list(counts.index) == ["adamw", "adam", "all"]
    assert counts["missing"].to_dict() == {"adamw": 0, "adam": 1, "all": 1}
    assert counts["completed"].to_dict() == {"adamw": 1, "adam": 0, "all": 1}


def test_a_search_that_was_begun_has_points_in_the_place_of_its_optimizers_grid(tiny, folder):
    search = {"optimizer": "ada2ms", "space": {"mixing": {"low": 0, "high": 1}}, "trials": 4}
    optimizers = {"sgd": {}, "adamw": {}, "ada2ms": {}}
    store = Store(folder)
    store.write_study(tiny(optimizers=optimizers, search=search).to_yaml())
    assert StoredStudy.open(folder).progress.planned["ada2ms(mixing=0.5)"] == 1  # its own grid
    store.write_file(SEARCH_RECORD, b"study: s\n")
    point = {"trial_id": "point", "label": "ada2ms(mixing=0.3)", "role": "search", "status": "completed"}
    store.append([point], [])
    study = StoredStudy.open(folder)
    assert dict(study.progress.planned) == {"sgd": 1, "adamw": 1, "ada2ms(mixing=0.3)": 1, TO_COME: 3}
    assert "point" in set(study.progress.rows["trial_id"]) - set(study.rows["trial_id"])


def test_a_folder_is_opened_for_the_study_that_it_holds_alone(tiny, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert open_store(tiny(), None).location == "runs/tiny"
    assert open_store(tiny(), folder).location == str(folder)
    with pytest.raises(StoreError, match="holds the study 'tiny', not 'other'"):
        open_store(tiny(name="other"), folder)


def test_a_folder_that_holds_no_study_or_an_invalid_one_is_refused(folder, tmp_path):
    with pytest.raises(StoreError, match=f"holds no study \\(there is no {STUDY_FILE} in it\\)"):
        StoredStudy.open(tmp_path / "nothing")
    (folder / STUDY_FILE).write_text("name: tiny\n")
    with pytest.raises(SpecError, match=f"{folder}/{STUDY_FILE}: "):
        StoredStudy.open(folder)


def test_failed_trials_are_named_with_their_reasons():
    columns = ["trial_id", "label", "lr", "seed", "status", "reason"]
    records = [("a", "sgd", 0.1, 0, "failed", "too large"), ("b", "sgd", 0.1, 1, "completed", None)]
    assert failures(pd.DataFrame(records, columns=columns)) == ["a sgd lr=0.1 seed=0: too large"]
