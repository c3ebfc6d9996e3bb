"""Trials as rows: which belong together, and the numbers of each step as those of the trial alone."""

from dataclasses import replace

import pytest
import torch

from robustness.optimizers import RULES, hyperparameters
from robustness.optimizers.rule import step_scalars
from robustness.training import Schedule, TrialSettings, signature
from robustness.training.packs.columns import Columns, blocks


def trial(name="ada2ms", **changes):
    values = {**hyperparameters(name), "lr": 0.1, "weight_decay": 0.0, **changes}
    return TrialSettings(name, values)


def test_blocks_hold_every_trial_once_by_optimizer_and_fixed_hyperparameters():
    mixings = [trial(mixing=mixing) for mixing in (0.0, 0.3, 0.5, 0.0)]
    scopes = [trial("exponent_plane", scope=scope, p=0.1) for scope in ("model", "tensor", "model")]
    pack = [*mixings, *scopes, trial("adamw"), trial(mixing=0.4)]
    assert blocks(pack) == [[0, 3], [1, 8], [2], [4, 6], [5], [7]]
    for indices in blocks(pack):
        assert len({signature(pack[index]) for index in indices}) == 1


def test_numbers_seeds_and_scales_part_no_trials():
    first = trial()
    assert signature(first) == signature(trial(lr=0.2, weight_decay=0.3, eps=0.0))
    assert signature(first) == signature(replace(first, seed=3, grad_scale=8.0))
    assert signature(first) != signature(replace(first, schedule=Schedule("cosine")))


def test_what_all_share_stays_a_number():
    columns = Columns([trial(lr=0.1), trial(lr=0.2)], "cpu", torch.float32)
    assert columns.hyper["lr"].tolist() == [[0.1], [0.2]]
    assert columns.hyper["lr"].dtype == torch.float64
    assert (columns.hyper["weight_decay"], columns.hyper["mixing"]) == (0.0, 0.5)
    assert columns.scale is None
    scaled = Columns([trial(), replace(trial(), grad_scale=8.0)], "cpu", torch.float32)
    assert scaled.scale.tolist() == [[1.0], [8.0]]
    assert scaled.scale.dtype == torch.float32


@pytest.mark.parametrize("name", ["ada2ms", "dualadam", "adamnx", "sgd"])
def test_the_scalars_of_a_step_are_those_of_each_trial_alone(name):
    trials = [trial(name, lr=lr, weight_decay=decay) for lr, decay in ((0.1, 0.01), (0.2, 0.3))]
    rates = [1.0, 0.5, 0.25]
    together = Columns(trials, "cpu", torch.float64).scalars(RULES[name], 4, rates)
    assert len(together) == 3
    for step, scalars in enumerate(together):
        for row, settings in enumerate(trials):
            hyper = {**settings.hyperparameters, "lr": settings.hyperparameters["lr"] * rates[step]}
            alone = step_scalars(RULES[name], 5 + step, hyper, torch.float64)
            own = {key: v[row].item() if isinstance(v, torch.Tensor) else v for key, v in scalars.items()}
            assert own.keys() == alone.keys()
            for key, value in alone.items():
                assert own[key] == (value if value is None else pytest.approx(value, rel=1e-12)), key
