"""Spread of second moments: by hand, and the same from both engines; measuring changes no training run."""

from dataclasses import astuple, replace

import pytest
import torch

from robustness.tasks import load
from robustness.training import PackTrainer, TrialSettings, train
from robustness.training.flatness import MEASURES
from robustness.training.moments import moment_spreads

SETTINGS = TrialSettings(
    "ada2ms",
    {
        "lr": 3e-3, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "mixing": 0.5,
        "mixing_end": None, "mixing_steps": None, "mixing_schedule": "linear", "scope": "model",
    },
    epochs=2,
    diagnostics=(1, 2),
)  # fmt: skip


@pytest.fixture(scope="module")
def task():
    return load("digits-logistic")


@pytest.fixture(scope="module")
def alone(task):
    return train(task, SETTINGS, dtype=torch.float64)


def test_quantiles_zeros_and_the_global_moment_by_hand():
    powers = 10.0 ** torch.arange(21)
    first, second = moment_spreads(3, {"a": powers, "b": torch.tensor([[0.0, 0.0]])})
    assert (first.log_v_low, first.log_v_median, first.log_v_high) == pytest.approx((1, 10, 19), rel=1e-9)
    assert first.log_global == pytest.approx(float((powers.double().sum() / 23).log10()), abs=1e-12)
    assert (second.elements, second.zeros, second.log_v_median) == (2, 1, None)
    assert (second.epoch, second.layer, second.log_global) == (3, "b", first.log_global)


def test_an_optimizer_without_second_moment_has_nothing_to_show(task):
    sgd = replace(SETTINGS, optimizer="sgd", hyperparameters={"lr": 0.1, "weight_decay": 0.0})
    assert train(task, sgd).diagnostics == ()


def test_both_engines_measure_the_same(task, alone):
    packed = PackTrainer(task, dtype=torch.float64).train([SETTINGS, replace(SETTINGS, seed=1)])[0]
    assert [(s.epoch, s.layer) for s in alone.diagnostics] == [
        (epoch, f"linear.{name}") for epoch in (1, 2) for name in ("weight", "bias")
    ]
    for one, other in zip(alone.diagnostics, packed.diagnostics, strict=True):
        assert astuple(other)[2:] == pytest.approx(astuple(one)[2:], rel=1e-9)


def test_both_engines_measure_the_same_flatness():
    task, settings = load("two-minima", examples=8), replace(SETTINGS, flatness=True, batch_size=1)
    alone = train(task, settings, dtype=torch.float64)
    packed = PackTrainer(task, dtype=torch.float64).train([replace(settings, seed=1), settings])[1]
    assert {name: packed.metrics[name] for name in MEASURES} == pytest.approx(
        {name: alone.metrics[name] for name in MEASURES}, rel=1e-9
    )


def test_measuring_changes_nothing_else(task, alone):
    plain = train(task, replace(SETTINGS, diagnostics=()), dtype=torch.float64)
    assert (plain.curves, plain.metrics) == (alone.curves, alone.metrics)


def test_a_diverged_trial_has_no_flatness(task):
    wild = replace(SETTINGS, flatness=True, hyperparameters={**SETTINGS.hyperparameters, "lr": 1e30})
    assert train(task, wild).metrics.get("lambda_max") is None
