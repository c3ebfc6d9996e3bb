"""Packs: many trials at once give what each gives alone, whatever the company."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from robustness.optimizers import RULES, hyperparameters
from robustness.tasks import Split, Task, load
from robustness.training import PackTrainer, Schedule, TrialSettings, train
from robustness.training.packs.evaluating import evaluation_batch

RATES = {"sgd": 0.05, "sgdw": 0.05, "smes": 0.02, "invadam": 1e-3, "dualadam": 3e-3}
OWN = {
    "ada2ms": {"mixing": [0.0, 0.3, 0.5], "mixing_end": [None, 0.9, None], "mixing_steps": [None, 12, None]},
    "dualadam": {"switch_rate": [0.01, 0.1, 1.0]},
    "smes": {"exponent": [0.0, 0.3, 0.5]},
    "exponent_plane": {"p": [0.5, 0.1, -0.2], "q": [0.0, 0.4, 0.3], "scope": ["model", "tensor", "model"]},
    "sgd": {"nesterov": [False, True, False]},
}


def tiny(model, *, channels=None):
    """Make a classification task of 40 random images or vectors."""
    generator = torch.Generator().manual_seed(0)
    shape = (8,) if channels is None else (channels, 6, 6)
    parts = [
        Split(torch.randn(40, *shape, generator=generator), torch.arange(40).roll(shift) % 3)
        for shift in range(3)
    ]
    return Task("tiny", *parts, model)


def mlp():
    return nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 3))


def batch_normalized_cnn():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    )


def trials(name, count=6, **changes):
    """Make trials that differ in rate, decay, scale, seed and the optimizer's own hyperparameters."""
    made = []
    for row in range(count):
        own = {key: values[row % 3] for key, values in OWN.get(name, {}).items()}
        values = {"lr": RATES.get(name, 3e-3) * (1 + row), "weight_decay": [0.0, 0.01][row % 2]}
        made.append(
            TrialSettings(
                name,
                {**hyperparameters(name), **values, **own},
                grad_scale=[1.0, 8.0][row // 3 % 2],
                seed=row % 2,
                **{"epochs": 4, "batch_size": 8, "schedule": Schedule("cosine", warmup=0.1), **changes},
            )
        )
    return made


def assert_same(together, alone, tolerance):
    assert (together.status, together.stopped_step) == (alone.status, alone.stopped_step)
    assert [(p.epoch, p.split) for p in together.curves] == [(p.epoch, p.split) for p in alone.curves]
    for one, other in zip(together.curves, alone.curves, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=tolerance, abs=tolerance)
    assert together.metrics.keys() == alone.metrics.keys()


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("task", [tiny(mlp), tiny(batch_normalized_cnn, channels=2)], ids=["mlp", "bn-cnn"])
def test_a_pack_gives_what_its_trials_give_alone(task, name):
    pack = trials(name)
    together = PackTrainer(task, dtype=torch.float64).train(pack)
    for settings, result in zip(pack, together, strict=True):
        assert_same(result, train(task, settings, dtype=torch.float64), 1e-9)  # after 20 steps


def test_a_pack_of_many_optimizers_gives_what_its_trials_give_alone():
    task = tiny(mlp)
    pack = [settings for name in ("sgd", "ada2ms", "adamw", "ada2ms") for settings in trials(name, 2)]
    pack = [replace(settings, seed=index) for index, settings in enumerate(pack)]
    together = PackTrainer(task, dtype=torch.float64).train(pack)
    for settings, result in zip(pack, together, strict=True):
        assert_same(result, train(task, settings, dtype=torch.float64), 1e-9)


@pytest.mark.parametrize("task", [tiny(mlp), tiny(batch_normalized_cnn, channels=2)], ids=["mlp", "bn-cnn"])
def test_a_diverging_trial_leaves_the_pack_at_its_step_and_harms_no_other(task):
    pack = trials("sgd")
    wild = {**pack[2].hyperparameters, "lr": 1e200, "nesterov": False, "weight_decay": 0.01}
    pack[2] = replace(pack[2], hyperparameters=wild)
    together = PackTrainer(task, dtype=torch.float64).train(pack)
    assert together[2].status == "diverged"
    assert together[2].stopped_step is not None
    for settings, result in zip(pack, together, strict=True):
        assert_same(result, train(task, settings, dtype=torch.float64), 1e-9)


def test_a_pack_in_which_all_diverge_ends():
    pack = [replace(s, hyperparameters={**s.hyperparameters, "lr": 1e200}) for s in trials("sgdw")]
    assert {result.status for result in PackTrainer(tiny(mlp)).train(pack)} == {"diverged"}


def test_the_company_of_a_trial_changes_not_a_bit():
    task = load("digits-mlp")
    pack = trials("ada2ms", 12, epochs=1, batch_size=64)
    trainer = PackTrainer(task)
    whole = [result.metrics for result in trainer.train(pack)]
    parts = [
        result.metrics
        for start in (0, 5, 6)
        for result in trainer.train(pack[start : {0: 5, 5: 6, 6: 12}[start]])
    ]
    assert parts == whole


def test_float32_packs_agree_with_single_trials_on_real_images():
    task = load("digits-mlp")
    hyper = hyperparameters("ada2ms")
    pack = [
        TrialSettings(
            "ada2ms",
            {**hyper, "lr": 1e-4 * 10 ** (rate / 3), "weight_decay": decay},
            grad_scale=scale,
            seed=seed,
            epochs=3,
            schedule=Schedule("cosine"),
        )
        for rate in range(10)
        for decay in (0.0, 1e-2)
        for scale in (1.0, 1e3)
        for seed in range(3)
    ][:100]
    together = [result.metrics["test_accuracy"] for result in PackTrainer(task).train(pack)]
    alone = [train(task, settings).metrics["test_accuracy"] for settings in pack]
    assert sum(together) / 100 == pytest.approx(sum(alone) / 100, abs=0.002)
    assert max(abs(one - other) for one, other in zip(together, alone, strict=True)) <= 0.02


@pytest.mark.parametrize(
    ("lengths", "most", "expected"),
    [((1077, 360, 360), 256, 180), ((40, 40, 40), 256, 40), ((7, 3, 1), 4, 3)],
)
def test_the_evaluation_batch_fills_up_as_little_as_can_be(lengths, most, expected):
    parts = [Split(torch.zeros(length, 1), torch.zeros(length, dtype=torch.int64)) for length in lengths]
    assert evaluation_batch(Task("t", *parts, mlp), most) == expected


def test_losses_of_a_pack_are_means_over_whole_splits():
    task = replace(tiny(mlp), test=Split(torch.randn(37, 8), torch.arange(37) % 3))
    settings = replace(trials("sgd", 1)[0], epochs=1)
    still = replace(settings, hyperparameters={**settings.hyperparameters, "lr": 0.0})
    point = PackTrainer(task, dtype=torch.float64).train([still])[0].curves[-1]
    alone = train(task, still, dtype=torch.float64).curves[-1]
    assert (point.split, point.loss) == ("test", pytest.approx(alone.loss, rel=1e-12))
    assert point.accuracy == pytest.approx(alone.accuracy, abs=1e-12)
    assert math.isfinite(point.loss)
