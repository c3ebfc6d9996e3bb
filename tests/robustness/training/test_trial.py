"""One trial: what it depends on, what the gradient scale does, what divergence is."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from robustness.optimizers import OPTIMIZERS
from robustness.tasks import Split, Task, load
from robustness.training import Schedule, TrialSettings, train
from robustness.training.randomness import batches, initialized_model
from robustness.training.results import CurvePoint, concluded

SHORT = TrialSettings("adamw", {"lr": 3e-3, "weight_decay": 0.0}, epochs=2)


@pytest.fixture(scope="module")
def digits():
    return load("digits-mlp")


def numbers(result):
    """Return all that a result holds but its time."""
    return replace(result, wall_seconds=0.0)


def line(model=lambda: nn.Linear(1, 1, bias=False)):
    """Fit y = 2x by least squares: the update can be followed by hand."""
    inputs = torch.tensor([[1.0]])
    split = Split(inputs, 2 * inputs)
    return Task("line", split, split, split, model, loss=nn.functional.mse_loss, correct=None)


def test_the_same_trial_gives_the_same_numbers_whatever_else_was_drawn(digits):
    first = train(digits, SHORT)
    torch.rand(17)
    assert numbers(train(digits, SHORT)) == numbers(first)


def test_another_seed_gives_other_numbers(digits):
    assert train(digits, SHORT).metrics != train(digits, replace(SHORT, seed=1)).metrics


def test_initialization_and_batches_depend_on_task_and_seed_alone(digits):
    other = replace(digits, name="another")
    one, same, different = (initialized_model(task, 3)[0].weight for task in (digits, digits, other))
    assert torch.equal(one, same)
    assert not torch.equal(one, different)
    assert torch.equal(next(batches(digits, 3, 64)), next(batches(digits, 3, 64)))
    assert not torch.equal(next(batches(digits, 3, 64)), next(batches(digits, 4, 64)))


def test_initialization_leaves_the_global_generator_alone(digits):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    initialized_model(digits, 0)
    assert torch.equal(torch.rand(1), expected)


def test_an_epoch_visits_no_example_twice_and_every_epoch_differs(digits):
    stream = batches(digits, 0, 64)
    first, second = next(stream), next(stream)
    assert first.shape == (16, 64)
    assert len(first.unique()) == 16 * 64
    assert not torch.equal(first, second)


def test_every_epoch_and_split_has_a_point_and_the_last_is_the_result(digits):
    result = train(digits, SHORT)
    assert [(p.epoch, p.split) for p in result.curves] == [
        (epoch, split) for epoch in range(3) for split in ("train", "val", "test")
    ]
    last = result.curves[-1]
    assert (result.metrics["test_loss"], result.metrics["test_accuracy"]) == (last.loss, last.accuracy)
    assert result.init_loss == result.curves[0].loss
    assert result.status == "completed"


def test_metrics_are_those_of_the_trained_model_on_the_whole_split(digits):
    constant = replace(digits, model=lambda: nn.Sequential(nn.Linear(64, 10)))
    result = train(constant, replace(SHORT, hyperparameters={"lr": 0.0, "weight_decay": 0.0}))
    model = initialized_model(constant, 0)
    outputs = model(digits.val.inputs)
    assert result.metrics["val_loss"] == pytest.approx(
        nn.functional.cross_entropy(outputs, digits.val.targets).item(), rel=1e-6
    )
    right = (outputs.argmax(-1) == digits.val.targets).double().mean().item()
    assert result.metrics["val_accuracy"] == pytest.approx(right, abs=1e-12)


def test_the_schedule_sets_the_rate_of_every_step():
    task, start = line(), initialized_model(line(), 0).weight.item()
    settings = TrialSettings(
        "sgd",
        {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.0},
        batch_size=1,
        epochs=2,
        schedule=Schedule("linear"),
    )
    after_one = start - 0.1 * 2 * (start - 2)
    after_two = after_one - 0.05 * 2 * (after_one - 2)
    result = train(task, settings, dtype=torch.float64)
    assert result.metrics["train_loss"] == pytest.approx((after_two - 2) ** 2, rel=1e-12)


def test_the_gradient_scale_multiplies_the_gradient_and_not_the_decay():
    task, start = line(), initialized_model(line(), 0).weight.item()
    hyperparameters = {"lr": 0.1, "weight_decay": 0.5, "momentum": 0.0}
    settings = TrialSettings("sgd", hyperparameters, grad_scale=0.25, batch_size=1, epochs=1)
    expected = start - 0.1 * (0.25 * 2 * (start - 2) + 0.5 * start)
    result = train(task, settings, dtype=torch.float64)
    assert result.metrics["train_loss"] == pytest.approx((expected - 2) ** 2, rel=1e-12)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"exponent_plane"}))
def test_every_optimizer_learns_the_digits(digits, name):
    lr = {"sgd": 0.1, "sgdw": 0.1, "smes": 0.03, "invadam": 30.0, "dualadam": 3e-3}.get(name, 3e-3)
    own = {"switch_rate": 0.05} if name == "dualadam" else {}
    result = train(digits, TrialSettings(name, {"lr": lr, "weight_decay": 0.0, **own}, epochs=10))
    assert result.status == "completed"
    assert result.metrics["test_accuracy"] > 0.85


def test_a_loss_that_is_not_finite_stops_the_trial_at_its_step():
    settings = TrialSettings(
        "sgd", {"lr": 1e30, "weight_decay": 0.0, "momentum": 0.0}, batch_size=1, epochs=50
    )
    result = train(line(), settings)
    # float32 overflows at 3e38: the first step takes the weight to 1e30, whose square is infinite at the second
    assert (result.status, result.stopped_step) == ("diverged", 2)
    assert result.metrics == {}
    assert math.isfinite(result.init_loss)


def test_parameters_that_are_not_finite_are_divergence_even_under_a_finite_loss():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.used = nn.Parameter(torch.ones(1, 1))
            self.dead = nn.Parameter(torch.ones(1))

        def forward(self, x):
            # the root that is not chosen has an infinite derivative, of which 0 times is no number
            return torch.where(x > 0, x @ self.used, (self.dead - 1).sqrt())

    result = train(line(Dead), replace(SHORT, batch_size=1, epochs=3))
    assert (result.status, result.stopped_step) == ("diverged", 1)


def test_a_finite_run_that_ends_above_its_initial_loss_is_completed_with_its_numbers():
    settings = TrialSettings("sgd", {"lr": 1.5, "weight_decay": 0.0, "momentum": 0.0}, batch_size=1, epochs=3)
    result = train(line(), settings)
    assert (result.status, result.stopped_step, result.reason) == ("completed", None, None)
    assert result.metrics["train_loss"] > result.init_loss
    assert result.metrics["train_accuracy"] is None


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_a_final_loss_that_is_not_finite_is_divergence_though_no_step_was(split):
    curves = [CurvePoint(0, "train", 1.0, 0.5)]
    curves += [CurvePoint(1, one, math.inf if one == split else 0.5, 0.5) for one in ("train", "val", "test")]
    result = concluded(curves, None, 0.0)
    assert (result.status, result.stopped_step) == ("diverged", None)
    assert split in result.reason


def test_runs_that_hardly_move_under_batch_normalization_are_completed():
    """The loss at initialization is taken with untrained running statistics, above which many runs end by a hair."""
    y = torch.arange(99) % 2
    x = torch.randn(99, 4, generator=torch.Generator().manual_seed(0)) + 2.0 * y[:, None]

    def network():
        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))

    task = Task("batchnorm", *(Split(x[i::3], y[i::3]) for i in range(3)), network)
    results = [
        train(task, TrialSettings("sgd", {"lr": lr, "weight_decay": 0.0}, epochs=2, batch_size=8, seed=seed))
        for lr in (1e-8, 1e-4)
        for seed in range(6)
    ]
    assert {result.status for result in results} == {"completed"}
    assert any(result.metrics["train_loss"] > result.init_loss for result in results)
