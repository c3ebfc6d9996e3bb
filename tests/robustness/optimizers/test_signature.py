"""What an optimizer takes, by its constructor's signature: of a registered one, of torch's, and of a user's own."""

import re

import pytest
import torch

from robustness.optimizers import OPTIMIZERS, REQUIRED, build, find, hyperparameters, signature, split_betas
from robustness.optimizers.building import arguments

pytestmark = pytest.mark.usefixtures("own_optimizers")

SIGNATURES = {
    "adamw": ({"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}, True, 2),
    "sgd": ({"momentum": 0.9, "nesterov": False}, True, 0),
    "own_optimizers:Lion": ({"beta1": 0.9, "beta2": 0.99}, False, 2),
    "own_optimizers:Backwards": (
        {"nu": 0.7, "power": REQUIRED, "pair": (1, None), "mode": "mean", "on": True, "beta1": 0.5},
        False,
        0,
    ),
    "own_optimizers:Passing": ({"nu": 1.0}, True, 0),
    "own_optimizers:Swallowing": ({}, False, 0),
    "own_optimizers:TwoFamilies": ({"betas": (0.9, 0.99), "beta1": 0.5}, False, 0),
    "own_optimizers:AnyBetas": ({"betas": None}, True, 0),
    "own_optimizers:Signum": ({"momentum": 0.9}, True, 0),
    "torch.optim:Adafactor": ({"beta2_decay": -0.8, "eps": (None, 0.001), "d": 1.0}, True, 0),
    "torch.optim:Rprop": ({"etas": (0.5, 1.2), "step_sizes": (1e-06, 50)}, False, 0),
    "torch.optim:Adagrad": ({"lr_decay": 0, "initial_accumulator_value": 0, "eps": 1e-10}, True, 0),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_an_optimizer_takes(name):
    taken = signature(name)
    assert (taken.defaults, taken.decays, taken.betas) == SIGNATURES[name]
    assert list(taken.defaults) == list(SIGNATURES[name][0])
    assert hyperparameters(name) == taken.defaults


def test_a_class_put_into_the_registry_takes_what_it_always_took(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "mine", find("own_optimizers:Backwards"))
    assert signature("mine").defaults == {}  # keyword-only arguments are not hyperparameters there
    monkeypatch.setitem(OPTIMIZERS, "mine", find("own_optimizers:Swallowing"))
    assert signature("mine").decays  # nor is **kwargs looked into
    monkeypatch.setitem(OPTIMIZERS, "mine", torch.optim.Adafactor)
    assert signature("mine").defaults == {"beta2_decay": -0.8, "d": 1.0}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("own_optimizers:NoRate", "must take lr, but has (params, learning_rate)"),
        ("own_optimizers:NoParameters", "must take params, but has (lr)"),
        ("own_optimizers:factory", "must be a class derived from torch.optim.Optimizer, but is a function"),
        ("torch.nn:Linear", "must be a class derived from torch.optim.Optimizer, but is another class"),
        ("torch.optim:Optimizer", "must take lr, but has (params, defaults)"),
        ("own_optimizers:Loin", "cannot be imported: own_optimizers has no 'Loin'; did you mean 'Lion'?"),
        ("no_such_module:Lion", "cannot be imported: ModuleNotFoundError"),
        ("adamvw", "or package.module:Class, but got 'adamvw'; did you mean 'adamw'?"),
    ],
)
def test_what_is_no_optimizer_is_refused_in_one_line(name, reason):
    with pytest.raises(ValueError, match=re.escape(reason)) as caught:
        signature(name)
    assert "\n" not in str(caught.value)
    assert repr(name) in str(caught.value)


def theta():
    return torch.nn.Parameter(torch.ones(2, 2))


def test_betas_go_to_the_constructor_as_a_tuple():
    group = build("own_optimizers:Lion", [theta()], lr=0.1, weight_decay=0, beta2=0.5).param_groups[0]
    assert group["betas"] == (0.9, 0.5)
    values = arguments("own_optimizers:TwoFamilies", {"lr": 1, "weight_decay": 0, "betas": [0.1, 0.2]})
    assert values == {"lr": 1, "betas": (0.1, 0.2), "beta1": 0.5}


def test_parameters_are_found_wherever_they_stand_and_groups_keep_what_is_theirs():
    numpy = pytest.importorskip("numpy", reason="numbers as numpy has them")
    groups = [{"params": [theta()]}, {"params": [theta()], "nu": 0.1}]
    given = {"lr": numpy.float32(0.5), "weight_decay": numpy.float64(0), "power": 3, "pair": [2, 4]}
    built = build("own_optimizers:Backwards", groups, **given)
    assert [(g["lr"], g["power"], g["pair"]) for g in built.param_groups] == [(0.5, 3, (2, 4))] * 2


def test_a_decay_that_is_passed_on_reaches_the_group_and_one_that_is_not_must_be_0():
    passing = build("own_optimizers:Passing", [theta()], lr=0.1, weight_decay=0.25)
    assert passing.param_groups[0]["weight_decay"] == 0.25
    for name in ("own_optimizers:Lion", "own_optimizers:Swallowing"):
        with pytest.raises(ValueError, match=f"^weight_decay must be 0, because {name} has none$"):
            build(name, [theta()], lr=0.1, weight_decay=0.25)


@pytest.mark.parametrize(
    ("name", "given", "error", "reason"),
    [
        ("Lion", {"beta3": 1}, TypeError, "own_optimizers:Lion has no hyperparameter 'beta3'; did you mean"),
        ("Backwards", {"powr": 1}, TypeError, "has no hyperparameter 'powr'; did you mean 'power'?"),
        ("Backwards", {"maximize": True}, TypeError, "has no hyperparameter 'maximize'"),
        ("Backwards", {}, ValueError, "power is required: own_optimizers:Backwards has no default for it"),
        ("Lion", {"lr": -1}, ValueError, "lr must be >= 0, but got -1"),
        ("Lion", {"lr": "fast"}, TypeError, "lr must be a number, but got 'fast'"),
        ("Signum", {"momentum": 1.5}, ValueError, "momentum must be in [0, 1), but got 1.5"),
    ],
)
def test_a_wrong_hyperparameter_is_named_in_one_line(name, given, error, reason):
    with pytest.raises(error, match=re.escape(reason)) as caught:
        build(f"own_optimizers:{name}", [theta()], **{"lr": 0.1, "weight_decay": 0, **given})
    assert "\n" not in str(caught.value)


def test_betas_as_one_value_are_split_into_as_many_as_there_are():
    adamw = signature("adamw")
    assert split_betas(adamw, (0.5, 0.75)) == {"beta1": 0.5, "beta2": 0.75}
    assert split_betas(signature("own_optimizers:AnyBetas"), [0.5]) == {"betas": (0.5,)}
    for given in ((0.5,), (0.5, 0.75, 0.9), (0.5, "high")):
        with pytest.raises(ValueError, match=re.escape(f"(beta1, beta2), but got {list(given)!r}")):
            split_betas(adamw, given)
    with pytest.raises(ValueError, match="it takes no betas"):
        split_betas(signature("sgd"), (0.9,))
