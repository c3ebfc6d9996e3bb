"""Optimizers by package.module:Class in training: torch's, those of a package, and a user's own."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from robustness.optimizers import build
from robustness.optimizers.foreign.closures import needs_closure
from robustness.tasks import Split, Task, load
from robustness.training import OptimizerUnfitError, PackTrainer, TrialSettings, choose, preflight, train
from robustness.training.checkpoints import Checkpoint

pytestmark = pytest.mark.usefixtures("own_optimizers")
TORCH = {"NAdam": 3e-3, "RAdam": 0.03, "Adagrad": 0.03, "Adafactor": 0.1, "LBFGS": 1.0, "Muon": 3e-3}
PACKAGE = ("AdaBelief", "Lion", "Adan", "AdEMAMix", "ScheduleFreeAdamW")


@pytest.fixture(scope="module")
def digits():
    return load("digits-logistic")


def trial(name, lr=0.01, **changes):
    hyper = {"lr": lr, "weight_decay": 0.0, **changes.pop("hyper", {})}
    return TrialSettings(name, hyper, **{"epochs": 1, "batch_size": 256, **changes})


def line(slope=2.0):
    """Fit a line through the origin by least squares, with one weight: steps can be followed by hand."""
    inputs = torch.tensor([[1.0]])
    split = Split(inputs, slope * inputs)
    model = lambda: nn.Linear(1, 1, bias=False)  # noqa: E731
    return Task("line", split, split, split, model, loss=nn.functional.mse_loss, correct=None)


@pytest.mark.parametrize("name", TORCH)
def test_torchs_optimizers_learn(digits, name):
    settings = trial(f"torch.optim:{name}", TORCH[name], epochs=2)
    preflight(digits, {name: settings})
    result = train(digits, settings)
    assert result.metrics["train_loss"] < 0.95 * result.init_loss


def test_lbfgs_goes_far_down(digits):
    result = train(digits, trial("torch.optim:LBFGS", 1.0, batch_size=1024, epochs=2))
    assert result.metrics["train_loss"] < 0.2 * result.init_loss


@pytest.mark.parametrize("name", PACKAGE)
def test_optimizers_of_a_package_learn(digits, name):
    pytest.importorskip("pytorch_optimizer", reason="an installed package with optimizers")
    result = train(digits, trial(f"pytorch_optimizer:{name}", 0.01, epochs=3))
    assert result.metrics["train_loss"] < 0.95 * result.init_loss


def test_the_closure_gives_the_scaled_gradient_of_the_same_batch():
    # one step of LBFGS without a line search: min(1, 1 / |g|_1) * lr * g, with g = c * 2 (w - 2)
    start = train(line(), trial("sgd", 0.0, batch_size=1)).metrics["train_loss"] ** 0.5
    for scale in (1.0, 0.01):
        g = scale * 2 * start
        hyper = {"max_iter": 1}
        settings = trial("torch.optim:LBFGS", 0.5, batch_size=1, hyper=hyper, grad_scale=scale)
        result = train(line(), settings, dtype=torch.float64)
        assert result.metrics["train_loss"] ** 0.5 == pytest.approx(
            abs(start - min(1, 1 / g) * 0.5 * g), rel=1e-6
        )


def test_a_class_that_fails_without_a_closure_is_given_one():
    # a step of SAM is one of gradient descent by the gradient at w + rho sign(g)
    name = "own_optimizers:Sharpness"
    start = -(train(line(), trial("sgd", 0.0, batch_size=1)).metrics["train_loss"] ** 0.5)  # w - 2 < 0
    result = train(line(), trial(name, 0.1, batch_size=1), dtype=torch.float64)
    assert result.metrics["train_loss"] ** 0.5 == pytest.approx(abs(start - 0.2 * (start - 0.05)), rel=1e-6)
    preflight(line(), {"sam": trial(name)})


def test_a_closure_is_for_those_that_need_one():
    values = {"lr": 0.1, "weight_decay": 0.0}
    named = {
        name: needs_closure(f"own_optimizers:{name}", values) for name in ("Lion", "Sharpness", "Failing")
    }
    assert named == {"Lion": False, "Sharpness": True, "Failing": False}
    assert needs_closure("torch.optim:LBFGS", values)
    assert not needs_closure("adamw", values)


def test_an_optimizer_that_fails_with_a_closure_too_is_refused_by_its_own_words(digits):
    with pytest.raises(OptimizerUnfitError, match="it never works"):
        preflight(digits, {"failing": trial("own_optimizers:Failing")})


@pytest.mark.parametrize("name", ["own_optimizers:Signum"])
def test_a_pack_of_a_users_rule_gives_what_its_trials_give_alone(digits, name):
    trials = [
        trial(name, lr, seed=seed, hyper={"momentum": momentum, "weight_decay": 0.1})
        for seed, (lr, momentum) in enumerate([(1e-3, 0.9), (1e-2, 0.5), (3e-3, 0.0)])
    ]
    together = PackTrainer(digits, dtype=torch.float64).train(trials)
    for settings, result in zip(trials, together, strict=True):
        alone = train(digits, settings, dtype=torch.float64)
        assert result.metrics["test_loss"] == pytest.approx(alone.metrics["test_loss"], rel=1e-9)


def test_engines_know_rules_of_a_users_own_and_keep_measurements_by_code(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choose(digits, [trial("own_optimizers:Signum")], "cpu", "fused").name == "fused"
    with pytest.raises(ValueError, match="own_optimizers:Lion has no rule"):
        choose(digits, [trial("own_optimizers:Lion")], "cpu", "fused")
    monkeypatch.setattr("robustness.training.engine.code_of", lambda name: "another")
    choose(digits, [trial("own_optimizers:Signum")], "cpu", "fused")
    kept = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    assert sum("fused" in one for one in kept) == 2


@pytest.mark.parametrize("name", ["torch.optim:LBFGS", "muon"])
def test_a_trial_resumes_bit_for_bit(digits, name, tmp_path):
    settings = trial(name, 0.01, epochs=3)
    whole = train(digits, settings)
    checkpoint = Checkpoint(tmp_path / "saved", every=1)
    train(digits, settings, checkpoint=checkpoint)
    assert (tmp_path / "saved").exists()
    assert replace(train(digits, settings, checkpoint=checkpoint), wall_seconds=0) == replace(
        whole, wall_seconds=0
    )


def test_decay_of_matrices_alone_is_no_matter_to_an_optimizer_without_decay(digits):
    matrices = replace(trial("sgd").training, decay="matrices")
    settings = trial("torch.optim:LBFGS", 1.0, training=matrices)  # it refuses two groups
    assert train(digits, settings).status == "completed"


def test_muon_is_torchs_muon_for_matrices_and_adamw_for_the_rest():
    generator = torch.Generator().manual_seed(0)
    shapes = ((4, 3), (5,), (2, 1, 3, 3))
    draws = [torch.randn(shape, generator=generator) for shape in shapes]
    ours, theirs = ([nn.Parameter(draw.clone()) for draw in draws] for _ in range(2))
    muon = build("torch.optim:Muon", ours, lr=0.1, weight_decay=0.2, momentum=0.8, beta1=0.5, eps=1e-3)
    options = {"lr": 0.1, "weight_decay": 0.2}
    parts = [
        torch.optim.Muon(theirs[:1], momentum=0.8, adjust_lr_fn="match_rms_adamw", **options),
        torch.optim.AdamW(theirs[1:], betas=(0.5, 0.999), eps=1e-3, **options),
    ]
    for step in range(4):
        for optimizer in (muon, *parts):
            optimizer.param_groups[0]["lr"] = 0.1 / (1 + step)
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        for optimizer in (muon, *parts):
            optimizer.step()
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(3, 2), (4,)])
def test_muon_trains_parameters_of_one_kind_alone(shape):
    parameter = nn.Parameter(torch.ones(shape))
    optimizer = build("muon", [parameter], lr=0.1, weight_decay=0.0)
    parameter.grad = torch.ones(shape)
    optimizer.step()
    assert (parameter < 1).all()
    assert ("momentum_buffer" in optimizer.state[parameter]) == (len(shape) == 2)
