"""A landscape whose curvatures are known; escapes that follow Kramers' rule."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import analysis
from robustness.optimizers import RULES, hyperparameters
from robustness.tasks import load
from robustness.tasks.two_minima import basin_widths, escape_time, potential
from robustness.training import PackTrainer, TrialSettings, train
from robustness.training.flatness import flatness

QUIET = {"ratio": 4.0, "noise": 0.0, "examples": 500}


def settings(name, lr, **changes):
    hyper = {"lr": lr, "weight_decay": 0.0, **hyperparameters(name)}
    return replace(TrialSettings(name, hyper, batch_size=1), **changes)


@pytest.mark.parametrize(("side", "curvature"), [(0, 6.0), (1, 1.0)])
def test_both_minima_have_the_stated_curvature_and_height(side, curvature):
    task = load("two-minima", ratio=6.0, barrier=2.0).to("cpu", torch.float64)
    model = task.model().double()
    x = (-1, 1)[side] * basin_widths(6.0, 2.0)[side]
    model.at.data = torch.tensor([x, 0.0], dtype=torch.float64)
    measured = flatness(replace(task, train=task.val), model)
    assert measured["lambda_max"] == pytest.approx(max(curvature, 1.0), rel=1e-6)
    assert measured["hessian_trace"] == pytest.approx(curvature + 1, rel=1e-6)
    heights = potential(torch.tensor([x, 0.0]), 6.0, 2.0)
    assert heights.tolist() == pytest.approx([0, 2], abs=1e-6)


def test_noise_has_no_mean_and_the_stated_deviation():
    noise = load("two-minima", noise=3.0, examples=64).train.inputs.double()
    assert noise.mean(0).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert noise.square().mean(0).sqrt().tolist() == pytest.approx([3, 3], rel=1e-6)


@pytest.mark.parametrize("name", sorted(RULES))
def test_without_noise_no_optimizer_escapes_at_a_small_learning_rate(name):
    task = load("two-minima", **QUIET)
    result = train(task, settings(name, 1e-3, epochs=4))
    assert [point.accuracy for point in result.curves if point.split == "val"] == [0] * 5
    assert result.status == "completed"


def test_escape_times_of_sgd_follow_kramers_rule():
    steps, noise = 512, math.sqrt(20)
    task = load("two-minima", ratio=4.0, noise=noise, examples=steps)
    plain = {**settings("sgd", 0.0).hyperparameters, "momentum": 0.0}
    rates = [2 / (barrier * noise**2) for barrier in (1.75, 2.25, 2.75, 3.25)]
    trials = [
        settings("sgd", lr, seed=seed, epochs=5, hyperparameters={**plain, "lr": lr})
        for lr in rates
        for seed in range(256)
    ]
    results = PackTrainer(task).train(trials)
    rows = pd.DataFrame({"trial_id": range(len(trials)), "lr": [t.hyperparameters["lr"] for t in trials]})
    points = [(i, p.epoch, p.split, p.accuracy) for i, r in enumerate(results) for p in r.curves]
    curves = pd.DataFrame(points, columns=["trial_id", "epoch", "split", "accuracy"])
    table = analysis.escape_table(analysis.escape_times(rows, curves), ["lr"])
    barriers = 2 / (table["lr"] * noise**2)
    times = table["time"] * steps * table["lr"]
    fit = analysis.kramers_slope(barriers, times, table["escaped"])
    assert fit["low"] < 1 < fit["high"]
    assert fit["high"] - fit["low"] < 0.3
    # the rule is of leading order: by quadrature the mean times are 1.2 to 1.4 times as long
    expected = [escape_time(4.0, 1.0, 1 / barrier) for barrier in barriers]
    assert np.log(times / expected).between(0, 0.6).all()
