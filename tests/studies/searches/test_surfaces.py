"""Surfaces trained into a store: each trial once, whichever surfaces it belongs to."""

from contextlib import ExitStack
from dataclasses import replace

import pytest

from robustness.training import Engine
from studies.planning.trials import expand
from studies.planning.workers import Workers
from studies.searches.surfaces import Surfaces
from studies.spec.errors import SweepError
from studies.spec.study import StudySpec
from studies.store.resume import ResumedStore
from studies.store.store import Store

SPEC = StudySpec(
    name="s",
    task="digits-mlp",
    budget={"epochs": 1, "batch_size": 64},
    seeds=2,
    grid={"lr": [0.01], "weight_decay": [0]},
    optimizers={"adamw": {}},
)
TASK = SPEC.load_task()
TRIALS = expand(SPEC, TASK)


class Counter:
    """Counts trials as a line of progress does."""

    def __init__(self):
        self.statuses = []

    def update(self, statuses):
        self.statuses += statuses


@pytest.fixture
def surfaces(tmp_path):
    store, engine = Store(tmp_path / "s"), Engine("sequential", 1, False, {})
    with store.driving(), ExitStack() as stack:
        yield Surfaces(SPEC, TASK, engine, Workers(0), ResumedStore(store), Counter(), print, stack)


def test_a_trial_of_two_surfaces_is_trained_once_and_has_the_name_of_each(surfaces):
    searched = [replace(trial, label="mine", role="search") for trial in TRIALS]
    grid, points = surfaces.train([TRIALS, searched])
    assert surfaces.progress.statuses == ["completed", "completed"]
    assert (set(grid["label"]), set(grid["role"])) == ({"adamw"}, {"grid"})
    assert (set(points["label"]), set(points["role"])) == ({"mine"}, {"search"})
    assert grid["trial_id"].tolist() == points["trial_id"].tolist()
    surfaces.train([TRIALS])
    assert len(surfaces.progress.statuses) == 2


def test_trials_that_could_not_be_trained_are_counted_with_a_reason(surfaces, monkeypatch):
    monkeypatch.setattr("studies.searches.surfaces.sweep_into", lambda *given: ["every node was lost"])
    with pytest.raises(
        SweepError, match="^2 trials could not be trained: every node was lost; the same command"
    ):
        surfaces.train([TRIALS])
