"""The preflight: what no trial could train, or would train wrongly, is refused in one line that says why."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from robustness.optimizers import OPTIMIZERS
from robustness.tasks import Metric, Split, Task, load
from robustness.training import (
    OptimizerUnfitError,
    PackTrainer,
    TaskUnfitError,
    TrialSettings,
    preflight,
    train,
)

INPUTS = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
CLASSES = torch.arange(60) % 2
SUMS = INPUTS.sum(1, keepdim=True)
OWN = torch.Generator().manual_seed(0)


def task(model=lambda: nn.Linear(4, 2), targets=CLASSES, **changes):
    parts = [Split(INPUTS[start::3], targets[start::3]) for start in range(3)]
    return Task("mine", *parts, model, **changes)


def settings(name, **hyper):
    return TrialSettings(name, {"lr": 0.01, "weight_decay": 0.0, **hyper}, batch_size=10, epochs=1)


def check(given, *names):
    preflight(given, {name: settings(name) for name in names or ("sgd",)})


ONE = nn.Linear(4, 2)


def sharing():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    model[1] = ONE
    return model


def frozen():
    return nn.Linear(4, 2).requires_grad_(False)


def by(draw):
    def make():
        model = nn.Linear(4, 2)
        nn.init.constant_(model.bias, draw())
        return model

    return make


class Broken(nn.Module):
    def forward(self, x):
        raise KeyError("no such layer")


class InPlace(nn.Linear):
    def forward(self, x):
        return super().forward(x if self.training else x.mul_(2))


class Cut(nn.Linear):
    def forward(self, x):
        return super().forward(x).detach()


def squared(outputs, targets):
    return (outputs - targets).square().mean()


UNFIT = {
    "one object": (task(lambda: ONE), "returns the same object at every call"),
    "shared": (task(sharing), "models that share 1.weight"),
    "python": (task(by(random.random)), "other numbers at the same seed (bias)"),
    "numpy": (task(by(np.random.rand)), "other numbers at the same seed (bias)"),
    "generator": (task(by(lambda: float(torch.rand((), generator=OWN)))), "a generator of its own"),
    "no module": (task(lambda: 3), "model() must return a torch.nn.Module, but returned 3"),
    "lazy": (task(lambda: nn.Sequential(nn.LazyLinear(2))), "a lazy module (0: LazyLinear)"),
    "broken": (task(Broken), "KeyError: 'no such layer' (test_preflight.py, line"),
    "in place": (task(lambda: InPlace(4, 2)), "the model changes its inputs in place (train split)"),
    "floating targets": (
        task(lambda: nn.Linear(4, 1), SUMS, loss=nn.functional.mse_loss),
        "correct=None for a regression",
    ),
    "too few outputs": (
        task(targets=torch.arange(60) % 3),
        "class numbers must be 0 to 1, but the test split has 2",
    ),
    "one output": (
        task(
            lambda: nn.Linear(4, 1),
            loss=lambda o, t: nn.functional.binary_cross_entropy_with_logits(o[:, 0], t.float()),
        ),
        "the model has 1 outputs, so class numbers must be 0 to 0",
    ),
    "no class axis": (
        task(
            lambda: nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)), loss=lambda o, t: (o - t).square().mean()
        ),
        "correct compares outputs [examples, classes]",
    ),
    "correct of all": (
        task(correct=lambda o, t: (o.argmax(-1) == t).float().mean()),
        "one value for each example, [8]",
    ),
    "correct above 1": (task(correct=lambda o, t: 100 * (o.argmax(-1) == t)), "values in [0, 1]"),
    "losses": (
        task(loss=nn.CrossEntropyLoss(reduction="none")),
        "one number, the mean over the batch, but has the shape [8]",
    ),
    "sum": (task(loss=nn.CrossEntropyLoss(reduction="sum")), "the sum over the batch"),
    "infinite": (
        task(loss=lambda o, t: nn.functional.cross_entropy(o, t) / 0),
        "the loss is inf before the first step",
    ),
    "a number": (task(loss=lambda o, t: 1.0), "the loss must be a tensor"),
    "spread": (
        task(lambda: nn.Linear(4, 1), SUMS[:, 0], loss=squared, correct=None),
        "targets [8], which torch spreads",
    ),
    "spread by mse": (
        task(lambda: nn.Linear(4, 1), SUMS[:, 0], loss=nn.functional.mse_loss, correct=None),
        "targets [8], which torch spreads",
    ),
    "frozen": (task(frozen), "no parameter with requires_grad"),
    "cut off": (task(lambda: Cut(4, 2)), "cut off from the model"),
    "wrong shape": (task(lambda: nn.Linear(5, 2)), "mat1 and mat2 shapes cannot be multiplied"),
}


@pytest.mark.parametrize(("given", "reason"), UNFIT.values(), ids=UNFIT)
def test_a_task_that_no_trial_could_train_rightly_is_refused(given, reason):
    with pytest.raises(TaskUnfitError, match=re.escape(reason)) as caught:
        check(given)
    assert "\n" not in str(caught.value)


FIT = {
    "registered": load("digits-mlp"),
    "regression": task(lambda: nn.Linear(4, 1), SUMS, loss=nn.functional.mse_loss, correct=None),
    "batch size": task(lambda: nn.Sequential(nn.Unflatten(0, (10, -1)), nn.Flatten(0, 1), nn.Linear(4, 2))),
    "weighted": task(loss=nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0]))),
}


@pytest.mark.parametrize("given", FIT.values(), ids=FIT)
def test_a_sound_task_is_let_through_and_nothing_is_changed(given):
    inputs, python, numpy = given.train.inputs.clone(), random.getstate(), np.random.get_state()  # noqa: NPY002
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    check(given, *OPTIMIZERS)
    assert torch.equal(given.train.inputs, inputs)
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == python
    assert np.array_equal(np.random.get_state()[1], numpy[1])  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_a_regression_trains_in_both_engines():
    given, trial = FIT["regression"], settings("sgd")
    alone = train(given, trial, dtype=torch.float64)
    (together,) = PackTrainer(given, dtype=torch.float64).train([trial])
    assert alone.metrics["test_accuracy"] is None
    assert alone.metrics["train_loss"] < alone.init_loss
    assert together.metrics["test_loss"] == pytest.approx(alone.metrics["test_loss"], rel=1e-12)


class NoBetas(torch.optim.SGD):
    def __init__(self, params, lr=0.1, betas=None, weight_decay=0.0):
        assert betas is None
        super().__init__(params, lr, weight_decay=weight_decay)


class Demanding(torch.optim.SGD):
    def __init__(self, params, rank, lr=0.1, weight_decay=0.0):
        super().__init__(params, lr, weight_decay=weight_decay)


class ThreeBetas(torch.optim.SGD):
    def __init__(self, params, lr=0.1, betas=(0.98, 0.92, 0.99), weight_decay=0.0):
        assert betas == (0.98, 0.92, 0.99)
        super().__init__(params, lr, weight_decay=weight_decay)


@pytest.mark.parametrize(
    "made", [NoBetas, ThreeBetas, torch.optim.Adafactor, torch.optim.Rprop, torch.optim.RAdam]
)
def test_constructors_of_any_kind_just_work(made, monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "mine", made)
    check(task(), "mine")
    assert train(task(), settings("mine")).status in ("completed", "diverged")


@pytest.mark.parametrize(
    ("made", "hyper", "reason"),
    [
        (torch.optim.Muon, {}, "Muon only supports 2D parameters"),
        (torch.optim.LBFGS, {}, "closure"),
        (Demanding, {}, "rank is required: mine has no default for it"),
        (torch.optim.Rprop, {"weight_decay": 0.1}, "weight_decay must be 0, because mine has none"),
        (torch.optim.Adafactor, {"eps": 1e-8}, "mine has no hyperparameter 'eps'"),
    ],
)
def test_an_optimizer_that_cannot_train_the_model_is_refused_by_its_label(made, hyper, reason, monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "mine", made)
    with pytest.raises(OptimizerUnfitError, match=re.escape(reason)) as caught:
        preflight(task(), {"sgd": settings("sgd"), "mine(x=1)": settings("mine", **hyper)})
    assert caught.value.label == "mine(x=1)"
    assert "\n" not in str(caught.value)


def test_muon_is_judged_on_the_model_itself(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "muon", torch.optim.Muon)
    check(task(lambda: nn.Linear(4, 2, bias=False)), "muon")


class Late(nn.Module):
    """Uses a layer from the second step on."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.steps = nn.Linear(4, 2), nn.Linear(4, 2), 0

    def forward(self, x):
        self.steps += self.training
        return self.a(x) + (self.b(x) if self.steps > 1 else 0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_parameter_without_a_gradient_in_the_first_step_trains_alone(name):
    assert train(task(Late), settings(name)).status != "failed"


def test_hyperparameters_that_are_not_given_take_their_defaults_in_both_engines():
    trial = TrialSettings("ada2ms", {"lr": 0.01, "weight_decay": 0.1}, batch_size=10, epochs=2)
    whole = replace(trial, hyperparameters={**trial.completed().hyperparameters, "mixing": 0.3})
    pack = PackTrainer(task(), dtype=torch.float64).train([trial, whole])
    for one, result in zip((trial, whole), pack, strict=True):
        alone = train(task(), one, dtype=torch.float64).metrics["test_loss"]
        assert result.metrics["test_loss"] == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize("way", [train, lambda given, trial: PackTrainer(given).train([trial])])
def test_a_batch_larger_than_the_training_split_is_refused(way):
    way(task(), replace(settings("sgd"), batch_size=20))  # the whole split
    with pytest.raises(
        ValueError, match="batch_size must be at most the 20 training examples of mine, but got 21"
    ):
        way(task(), replace(settings("sgd"), batch_size=21))


@pytest.mark.parametrize("name", ["adamw", "ada2ms"])
@pytest.mark.parametrize(("hyper", "error"), [({"eps": -1.0}, ValueError), ({"warmth": 1}, TypeError)])
def test_a_pack_refuses_what_a_single_trial_refuses(name, hyper, error):
    for way in (train, lambda given, trial: PackTrainer(given).train([trial])):
        with pytest.raises(error, match=next(iter(hyper))):
            way(task(), settings(name, **hyper))


@pytest.mark.parametrize("draw", [random.random, np.random.rand, lambda: float(torch.rand(()))])
def test_what_a_model_draws_while_it_trains_depends_on_the_seed_alone(draw):
    class Drawing(nn.Linear):
        def forward(self, x):
            return super().forward(x) * draw()

    first = train(task(lambda: Drawing(4, 2)), settings("sgd"))
    draw()
    assert train(task(lambda: Drawing(4, 2)), settings("sgd")).metrics == first.metrics


def own(function, over="split"):
    return task(metric=Metric("mine", function=function, over=over))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (own(lambda o, y: o[:, 2]), "must return one finite number, but raised IndexError: .*train split"),
        (
            own(lambda o, y: o.mean(0)),
            "must return one finite number, but returned the shape .2. .train split",
        ),
        (own(lambda o, y: float("nan")), "must return one finite number, but returned nan .train split"),
        (own(lambda o, y: o, "examples"), "one value for each example, .8., but returned the shape .8, 2."),
        (own(lambda o, y: o.log().mean(1), "examples"), "must return one finite number, but returned nan"),
        (
            own(lambda o, y: o.mean() + y.add_(1).sum()),
            "the metric changes the targets in place .train split",
        ),
        (
            task(
                targets=SUMS,
                model=lambda: nn.Linear(4, 1),
                correct=None,
                loss=lambda o, y: o.mean() - y.mean(),
            ),
            "what knowing nothing gives by the metric 'loss' cannot be computed .*nothing=",
        ),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(given, message):
    with pytest.raises(TaskUnfitError, match=message) as error:
        check(given)
    assert "\n" not in str(error.value)


def test_a_metric_of_a_split_may_need_more_than_a_few_examples():
    def needs_all(outputs, targets):
        return outputs.mean() if len(targets) == 20 else torch.tensor(float("nan"))

    check(own(needs_all))
