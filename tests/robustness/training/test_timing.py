"""Measurements of a step: what they count, and that they leave alone what they measure."""

from dataclasses import replace

import pytest
import torch

from robustness.optimizers import hyperparameters
from robustness.tasks import load
from robustness.training import Training, TrialSettings, sequential_seconds, timing
from robustness.training.timing import MEASURED_STEPS, best_seconds, evaluated_per_step, pack_seconds

SETTINGS = TrialSettings("adamw", {**hyperparameters("adamw"), "lr": 1e-3, "weight_decay": 0.0}, epochs=4)


class Clock:
    """A clock that moves only when a step is taken."""

    def __init__(self, durations):
        self.durations, self.now = list(durations), 0.0

    def perf_counter(self):
        return self.now

    def step(self):
        self.now += self.durations.pop(0)


@pytest.mark.parametrize(
    ("durations", "best", "left"),
    [
        ([0.3, 0.1, 0.2, 0.15, 0.12, 0.11], 0.1, 0),  # all are taken
        ([2.0, 1.5, 0.1], 1.5, 1),  # at least two, but no third after a second
        ([0.6, 0.5, 0.1], 0.5, 1),
    ],
)
def test_the_fastest_of_a_few_steps_counts(monkeypatch, durations, best, left):
    clock = Clock(durations)
    monkeypatch.setattr(timing, "time", clock)
    assert best_seconds(clock.step, "cpu") == pytest.approx(best)
    assert len(clock.durations) == left
    assert len(durations) <= MEASURED_STEPS


def test_evaluations_are_counted_by_the_step():
    task = load("digits-mlp")
    # 1,797 examples after 0, 1, ..., 4 epochs of 16 steps; then after 0, 2, 4 alone
    assert evaluated_per_step(task, SETTINGS) == pytest.approx(5 * 1797 / 64)
    rarely = replace(SETTINGS, training=Training(evaluate_every=2))
    assert evaluated_per_step(task, rarely) == pytest.approx(3 * 1797 / 64)


def test_measuring_leaves_the_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert sequential_seconds(load("digits-mlp"), SETTINGS, "cpu") > 0
    assert pack_seconds(load("digits-mlp"), SETTINGS, "cpu", 3) > 0
    assert torch.equal(torch.get_rng_state(), before)
