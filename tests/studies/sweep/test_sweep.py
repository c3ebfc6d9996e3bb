"""Packs run into a store: every trial once, its checkpoint gone, whoever waits told."""

from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import pytest

from studies.planning.workers import Workers
from studies.spec.errors import SweepError
from studies.store.layout import CHECKPOINTS
from studies.store.resume import ResumedStore
from studies.store.store import Store
from studies.sweep import sweep as module
from studies.sweep.runner import Runner
from studies.sweep.sweep import sweep, sweep_into

HERE = Workers(0, None, "cpu")


class Told(list):
    def update(self, statuses):
        self.extend(statuses)


@pytest.fixture
def stored(tmp_path):
    return ResumedStore(Store(tmp_path / "s"))


def test_all_trials_are_stored_with_their_curves_logged_and_counted(plan, stored, caplog):
    work, told = plan(), Told()
    caplog.set_level("INFO", "studies")
    assert sweep_into(stored, work, HERE, told) == []
    assert stored.trial_ids() == {trial.trial_id for trial in work.trials}
    assert sorted(told) == ["completed"] * 4 + ["diverged"] * 2
    assert len(stored.store.curves()["trial_id"].unique()) == 6
    assert caplog.text.count("sgd lr=") == 6


def test_a_stored_trials_checkpoint_goes_at_once_and_the_folder_at_the_end(plan, stored, monkeypatch):
    folder = Path(stored.store.root) / CHECKPOINTS
    left, append = [], ResumedStore.append
    work = plan(checkpoint={"epochs": 1})

    def look(self, finished):
        for name in finished.checkpoints:
            (folder / name).touch()
        append(self, finished)
        left.append(len(list(folder.iterdir())))

    monkeypatch.setattr(ResumedStore, "append", look)
    monkeypatch.setattr(Runner, "run", partialmethod(Runner.run, every_seconds=0))
    sweep_into(stored, work, HERE, Told())
    assert left == [1] * 6  # that of the trial alone which is stored just then
    assert not folder.exists()


def test_checkpoints_stay_where_a_pack_could_not_be_run(plan, stored, monkeypatch):
    monkeypatch.setattr(module, "sweep", lambda *arguments, **options: ["pack a: 2 trials not run"])
    assert sweep_into(stored, plan(checkpoint={"epochs": 1}), HERE, Told()) == ["pack a: 2 trials not run"]
    assert (Path(stored.store.root) / CHECKPOINTS).is_dir()


def test_a_trial_that_cannot_be_stored_is_not_counted(plan, stored, monkeypatch):
    def full(self, *tables):
        raise SweepError("the disk is full")

    monkeypatch.setattr(Store, "append", full)
    told = Told()
    with pytest.raises(SweepError, match="the disk is full"):
        sweep_into(stored, plan(), HERE, told)
    assert told == []


def test_where_nothing_is_left_to_run_nothing_is_started(plan):
    work = replace(plan(), packs=())
    assert sweep(work, Workers(2, "nowhere:1", "cpu"), pytest.fail) == []
