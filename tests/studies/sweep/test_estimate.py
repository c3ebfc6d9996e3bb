"""What a study takes: what is left of it, over the workers there are."""

from dataclasses import replace

import pytest

from studies.planning.workers import Workers
from studies.sweep import estimate as module
from studies.sweep.estimate import (
    BYTES_PER_CURVE_POINT,
    BYTES_PER_ROW,
    RAY_BYTES,
    RAY_START_SECONDS,
    estimate,
)

from .conftest import FUSED, SEQUENTIAL


@pytest.fixture
def two_seconds(monkeypatch):
    """Let every trial take two seconds."""
    monkeypatch.setattr(module, "_trial_seconds", lambda plan, device: 2.0)


def workers(count):
    return Workers(count, None, "cpu")


def test_workers_share_the_time_and_ray_takes_its_own(plan, two_seconds):
    work = plan()
    here, shared = estimate(work, workers(0)), estimate(work, workers(3))
    assert (here.seconds, here.each) == (12.0, 2.0)
    assert (shared.seconds, shared.each) == (4.0 + RAY_START_SECONDS, pytest.approx(2 / 3))
    assert shared.memory - RAY_BYTES > 3 * here.memory


def test_the_disk_has_a_row_per_trial_and_three_splits_at_every_evaluation(plan, two_seconds):
    points = 6 * 3 * 3  # trials, splits, before training and after each of two epochs
    assert estimate(plan(), workers(0)).disk == 6 * BYTES_PER_ROW + points * BYTES_PER_CURVE_POINT


def test_a_study_that_is_stored_takes_nothing(plan):
    work = replace(plan(), packs=())
    cost = estimate(work, workers(2))
    assert (cost.seconds, cost.each, cost.disk) == (0.0, 0.0, 0)


@pytest.mark.parametrize("engine", [SEQUENTIAL, FUSED], ids=["sequential", "fused"])
def test_time_grows_with_the_epochs(plan, engine):
    short, long = (
        estimate(plan(engine, budget={"epochs": epochs, "batch_size": 10}), workers(0)).seconds
        for epochs in (1, 1000)
    )
    assert 0 < 50 * short < long
