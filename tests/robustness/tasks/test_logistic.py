"""Logistic regression: its optimum is scikit-learn's, and train_loss is the distance to it."""

import pytest
import torch

from robustness.tasks import load
from robustness.tasks.digits import splits
from robustness.tasks.logistic import Logistic, optimum
from robustness.training import Schedule, TrialSettings, train
from robustness.training.trial import evaluate


def test_the_loss_is_0_and_flat_at_the_optimum():
    task = load("digits-logistic", l2=1e-2).to("cpu", torch.float64)
    weights, bias = optimum(splits()[0], 1e-2)
    model = Logistic(1e-2).double()
    model.load_state_dict({"linear.weight": weights, "linear.bias": bias})
    loss = task.loss(model(task.train.inputs), task.train.targets)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-10)
    assert all(float(p.grad.abs().max()) < 1e-6 for p in model.parameters())
    assert evaluate(task, model, task.test).accuracy > 0.9


def test_training_comes_near_the_optimum_and_never_below():
    settings = TrialSettings(
        "sgd", {"lr": 0.3, "weight_decay": 0.0, "momentum": 0.9}, epochs=250, batch_size=1077, seed=1,
        schedule=Schedule("constant"),
    )  # fmt: skip
    points = [p.loss for p in train(load("digits-logistic", l2=0.1), settings).curves if p.split == "train"]
    assert points[0] > 1
    assert min(points) > -1e-6
    assert points[-1] < 1e-4


@pytest.mark.parametrize("l2", [0.0, -1.0, float("inf")])
def test_without_a_penalty_there_is_no_optimum(l2):
    with pytest.raises(ValueError, match="l2 must be positive and finite"):
        load("digits-logistic", l2=l2)
