"""A preflight that was passed is not made again; anything that decides it makes it another."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from robustness.optimizers import hyperparameters
from robustness.tasks import load
from robustness.training import TaskUnfitError, TrialSettings, preflight_once

SETTINGS = TrialSettings("adamw", {**hyperparameters("adamw"), "lr": 1e-3, "weight_decay": 0.0})


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("robustness.training.checks.preflight.LONG", math.inf)  # however busy the machine is


class Stepped(nn.Linear):
    """Counts how often it computes anything."""

    count = 0

    def __init__(self):
        super().__init__(64, 10)

    def forward(self, x):
        Stepped.count += 1
        return super().forward(x)


def computed(task, **trials):
    """Return how often the model of ``task`` computes in a preflight."""
    before = Stepped.count
    preflight_once(task, trials)
    return Stepped.count - before


def test_only_what_was_passed_with_the_same_optimizers_and_data_is_not_checked_again():
    task = replace(load("digits-mlp"), model=Stepped)
    assert computed(task, adamw=SETTINGS) > 0
    assert computed(task, adamw=SETTINGS) == 0
    decaying = replace(SETTINGS, hyperparameters={**SETTINGS.hyperparameters, "weight_decay": 0.1})
    assert computed(task, adamw=decaying) > 0
    assert computed(task, adamw=SETTINGS, again=SETTINGS) > 0
    others = replace(task.val, targets=task.val.targets.roll(1))
    assert computed(replace(task, val=others), adamw=SETTINGS) > 0
    assert computed(task, adamw=SETTINGS) == 0


def test_what_is_refused_is_refused_again():
    task = load("digits-mlp")
    beyond = replace(task.train, targets=torch.full_like(task.train.targets, 10))
    for _ in range(2):
        with pytest.raises(TaskUnfitError):
            preflight_once(replace(task, train=beyond), {"adamw": SETTINGS})
