"""Checkpoints of a study: where they lie, whose they are, and when they go."""

import pytest

from studies.store.layout import CHECKPOINTS
from studies.store.store import Store
from studies.sweep.checkpoints import Checkpoints


@pytest.mark.parametrize(("asked", "location"), [(None, "here"), ({"epochs": 1}, "mock://bucket/s")])
def test_a_study_that_does_not_ask_or_has_no_local_folder_has_none(
    spec, tmp_path, monkeypatch, asked, location
):
    monkeypatch.chdir(tmp_path)
    study = spec(checkpoint=asked) if asked else spec()
    assert Checkpoints.of_study(study, Store(location)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_belongs_to_the_trials_that_train_together_and_to_no_others(spec, plan, tmp_path):
    trials = plan().trials
    saved = Checkpoints.of_study(spec(checkpoint={"epochs": 3}), Store(tmp_path))
    assert saved.of(trials).every == 3
    assert saved.of(trials).path.parent == tmp_path / CHECKPOINTS
    names = {saved.name(trials), saved.name(trials[:1]), saved.name(trials[1:]), saved.name(trials[::-1])}
    assert len(names) == 4


def test_a_worker_that_does_not_reach_the_folder_saves_nothing(plan, tmp_path):
    assert Checkpoints(str(tmp_path / "away"), 1).of(plan().trials) is None


def test_stored_trials_leave_no_checkpoint_and_a_complete_study_no_folder(tmp_path):
    folder = tmp_path / CHECKPOINTS
    folder.mkdir()
    for name in ("a.pt", "b.pt"):
        (folder / name).touch()
    saved = Checkpoints(str(folder), 1)
    saved.drop(["a.pt", "never-saved.pt"])
    assert [path.name for path in folder.iterdir()] == ["b.pt"]
    saved.clear()
    saved.clear()
    assert not folder.exists()
