import copy

import pytest
import torch

from robustness.optimizers import OPTIMIZERS, SGDW, Ada2MS, build, hyperparameters


@pytest.fixture
def theta() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(2))]


def test_hyperparameters_are_the_constructors() -> None:
    adam = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    expected = {
        "sgd": {"momentum": 0.9, "nesterov": False},
        "sgdw": {"momentum": 0.9, "nesterov": False},
        "adam": adam,
        "adamw": adam,
        "ada2ms": adam
        | {
            "mixing": 0.5,
            "scope": "model",
            "mixing_end": None,
            "mixing_steps": None,
            "mixing_schedule": "linear",
        },
        "adamomentum": adam,
        "invadam": adam,
        "dualadam": adam | {"switch_rate": 8e-5},
        "smes": adam | {"exponent": 0.25},
        "adamnx": adam | {"beta2": 0.99},
        "exponent_plane": adam | {"p": 0.5, "q": 0.0, "scope": "model"},
        "muon": {"momentum": 0.95, "nesterov": True, "ns_steps": 5, "adjust_lr_fn": "match_rms_adamw"} | adam,
    }
    assert {name: hyperparameters(name) for name in OPTIMIZERS} == expected
    assert list(hyperparameters("ada2ms")) == list(expected["ada2ms"])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_build_passes_every_value_on(name: str, theta) -> None:
    own = hyperparameters(name)
    if "beta1" in own:
        own |= {"beta1": 0, "beta2": 0.5}
    group = build(name, theta, lr=0.25, weight_decay=0.125, **own).param_groups[0]
    if "beta1" in own:
        assert group["betas"] == (0.0, 0.5)
        del own["beta1"], own["beta2"]
    assert {key: group[key] for key in own} == own
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.125)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_default_weight_decay_and_lr(name: str, theta) -> None:
    expected = {"sgd": 0.0, "sgdw": 0.0, "adam": 0.0, "smes": 0.0, "muon": 0.1}.get(name, 1e-2)
    defaults = OPTIMIZERS[name](theta).defaults
    assert (defaults["lr"], defaults["weight_decay"]) == (1e-3, expected)


def test_unknown_optimizer_names_the_nearest(theta) -> None:
    with pytest.raises(ValueError, match=r"got 'adam2ms'; did you mean 'ada2ms'\?"):
        build("adam2ms", theta, lr=0.1, weight_decay=0.0)
    with pytest.raises(ValueError, match="optimizer must be one of sgd, sgdw"):
        hyperparameters("")


def test_unknown_hyperparameter_names_the_nearest_and_the_allowed(theta) -> None:
    with pytest.raises(
        TypeError, match=r"ada2ms has no hyperparameter 'mixin'; did you mean 'mixing'\?.*eps"
    ):
        build("ada2ms", theta, lr=0.1, weight_decay=0.0, mixin=0.5)
    with pytest.raises(TypeError, match="adamw has no hyperparameter 'amsgrad'"):
        build("adamw", theta, lr=0.1, weight_decay=0.0, amsgrad=True)


RANGES = [
    ("ada2ms", {"mixing": 1.5}, r"mixing must be in \[0, 1\], but got 1.5"),
    ("ada2ms", {"mixing": float("nan")}, r"mixing must be in \[0, 1\], but got nan"),
    ("ada2ms", {"mixing_end": -0.5, "mixing_steps": 9}, r"mixing_end must be in \[0, 1\], but got -0.5"),
    ("ada2ms", {"mixing_end": 0.5}, "mixing_end requires mixing_steps"),
    ("ada2ms", {"mixing_end": 0.5, "mixing_steps": 0}, "mixing_steps must be >= 1, but got 0"),
    ("ada2ms", {"mixing_schedule": "step"}, "mixing_schedule must be one of linear, cosine, but got 'step'"),
    ("ada2ms", {"scope": "layer"}, "scope must be one of model, tensor, but got 'layer'"),
    ("adamw", {"beta1": 1.0}, r"beta1 must be in \[0, 1\), but got 1.0"),
    ("adam", {"beta2": -0.1}, r"beta2 must be in \[0, 1\), but got -0.1"),
    ("adamw", {"eps": -1.0}, "eps must be >= 0, but got -1.0"),
    ("adamw", {"lr": -1.0}, "lr must be >= 0, but got -1.0"),
    ("adamw", {"lr": float("inf")}, "lr must be >= 0, but got inf"),
    ("adamw", {"weight_decay": -1.0}, "weight_decay must be >= 0, but got -1.0"),
    ("sgd", {"momentum": 1.0}, r"momentum must be in \[0, 1\), but got 1.0"),
    ("sgdw", {"momentum": 0.0, "nesterov": True}, "nesterov requires momentum > 0"),
    ("dualadam", {"switch_rate": -1e-3}, "switch_rate must be >= 0, but got -0.001"),
    ("smes", {"exponent": float("inf")}, "exponent must be finite, but got inf"),
    ("exponent_plane", {"q": float("nan")}, "q must be finite, but got nan"),
    ("muon", {"momentum": 1.0}, r"momentum must be in \[0, 1\), but got 1.0"),
    ("muon", {"ns_steps": 0}, "ns_steps must be a whole number from 1 to 99, but got 0"),
    ("muon", {"ns_steps": 2.5}, "ns_steps must be a whole number from 1 to 99, but got 2.5"),
    ("muon", {"adjust_lr_fn": "none"}, "adjust_lr_fn must be one of match_rms_adamw, original"),
]


@pytest.mark.parametrize(("name", "options", "message"), RANGES)
def test_values_out_of_range_are_named(name: str, options: dict, message: str, theta) -> None:
    with pytest.raises(ValueError, match=message):
        build(name, theta, **({"lr": 0.1, "weight_decay": 0.0} | options))


@pytest.mark.parametrize("lr", ["1e-3", None, True])
def test_values_that_are_no_numbers_are_named(lr: object, theta) -> None:
    with pytest.raises(TypeError, match="lr must be a number, but got"):
        build("ada2ms", theta, lr=lr, weight_decay=0.0)


def test_constructors_and_groups_check_their_values(theta) -> None:
    with pytest.raises(ValueError, match=r"mixing must be in \[0, 1\], but got -1"):
        Ada2MS(theta, mixing=-1)
    with pytest.raises(ValueError, match=r"betas must be a pair"):
        Ada2MS(theta, betas=(0.9,))
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), but got 2"):
        SGDW([{"params": theta, "momentum": 2}])
    optimizer = Ada2MS(theta)
    with pytest.raises(ValueError, match="scope must be one of"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "scope": "all"})
    assert len(optimizer.param_groups) == 1


def test_checkpoint_of_adamw_is_read(parameters, drive) -> None:
    theirs = parameters()
    adamw = torch.optim.AdamW(theirs, lr=0.01)
    drive(adamw, range(5))
    ours = copy.deepcopy(theirs)
    ada2ms = Ada2MS(ours, mixing=1.0)
    ada2ms.load_state_dict(copy.deepcopy(adamw.state_dict()))
    drive(adamw, range(5, 10))
    drive(ada2ms, range(5, 10))
    assert ada2ms.state[ours[0]]["step"] == 10
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_checkpoint_of_sgd_is_read(parameters, drive) -> None:
    theirs = parameters()
    sgd = torch.optim.SGD(theirs, lr=0.01, momentum=0.9)
    drive(sgd, range(5))
    ours = copy.deepcopy(theirs)
    sgdw = SGDW(ours)
    sgdw.load_state_dict(copy.deepcopy(sgd.state_dict()))
    drive(sgd, range(5, 10))
    drive(sgdw, range(5, 10))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
