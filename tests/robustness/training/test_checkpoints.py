"""A run that goes on from a checkpoint gives bit for bit what it would have given undisturbed."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from robustness.tasks import Split, Task
from robustness.training import Checkpoint, PackTrainer, TrialSettings, train


class Stop(Exception):
    pass


class Stopping(Checkpoint):
    """Ends the run after it has been saved for the second time."""

    def save(self, state):
        super().save(state)
        if state["epoch"] == 2 * self.every:
            raise Stop


def model():
    parts = torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Linear(8, 2)
    return torch.nn.Sequential(*parts)


def dropping():
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))


def task(make=model):
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    y = (x.sum(1) > 0).long()
    return Task("sums", *(Split(x[i::3], y[i::3]) for i in range(3)), make)


def settings(optimizer="adamw", lr=1e-2, seed=0):
    own = {"adamw": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}, "sgd": {"momentum": 0.9, "nesterov": False}}
    own["ada2ms"] = {**own["adamw"], "mixing": 0.5}
    values = {"lr": lr, "weight_decay": 1e-2, **own[optimizer]}
    return TrialSettings(optimizer, values, seed=seed, epochs=7, batch_size=5)


def assert_same(one, other):
    assert replace(one, wall_seconds=0) == replace(other, wall_seconds=0)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "ada2ms"])
def test_a_trial_goes_on_bit_for_bit(tmp_path, optimizer):
    path = tmp_path / "trial.pt"
    with pytest.raises(Stop):
        train(task(), settings(optimizer), checkpoint=Stopping(path, 2))
    assert torch.load(path, weights_only=True)["epoch"] == 4
    resumed = train(task(), settings(optimizer), checkpoint=Checkpoint(path, 2))
    assert_same(resumed, train(task(), settings(optimizer)))


def test_random_operations_go_on_where_they_were(tmp_path):
    undisturbed = train(task(dropping), settings())
    with pytest.raises(Stop):
        train(task(dropping), settings(), checkpoint=Stopping(tmp_path / "t.pt", 2))
    assert_same(train(task(dropping), settings(), checkpoint=Checkpoint(tmp_path / "t.pt", 2)), undisturbed)


class Counting(torch.nn.Module):
    """Does another thing in every other step, by a number that is no buffer."""

    def __init__(self):
        super().__init__()
        self.layers, self.steps = model(), 0

    def forward(self, x):
        self.steps += self.training
        return self.layers(x) * (1 + self.steps % 2)


def test_state_that_a_checkpoint_cannot_hold_is_not_saved_and_said(tmp_path, caplog):
    path = tmp_path / "t.pt"
    result = train(task(Counting), settings(), checkpoint=Stopping(path, 2))  # would stop if it were saved
    assert_same(result, train(task(Counting), settings()))
    assert not path.exists()
    assert "Counting changes its attribute steps, which a checkpoint cannot hold" in caplog.text


def test_random_operations_depend_on_the_seed_alone_and_disturb_nobody():
    torch.manual_seed(1)
    one = train(task(dropping), settings())
    drawn = torch.rand(3)
    assert_same(train(task(dropping), settings()), one)  # whatever was drawn before
    assert train(task(dropping), settings(seed=1)).curves != one.curves
    assert train(task(), settings()).curves != one.curves
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), drawn)


def test_a_pack_goes_on_bit_for_bit_without_those_that_diverged(tmp_path):
    trials = [settings("ada2ms", lr, seed) for lr in (1e-3, 1e-2, 1e30) for seed in (0, 1)]
    trainer = PackTrainer(task())
    with pytest.raises(Stop):
        trainer.train(trials, Stopping(tmp_path / "pack.pt", 2))
    resumed = PackTrainer(task()).train(trials, Checkpoint(tmp_path / "pack.pt", 2))
    undisturbed = trainer.train(trials)
    assert [result.status for result in undisturbed][-2:] == ["diverged", "diverged"]
    for one, other in zip(resumed, undisturbed, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"cos\nsystem\n(S'exit 1'\ntR."])
def test_what_is_no_checkpoint_is_left_alone_and_the_trial_begins_anew(tmp_path, content):
    path = tmp_path / "trial.pt"
    path.write_bytes(content)
    assert_same(train(task(), settings(), checkpoint=Checkpoint(path, 2)), train(task(), settings()))


def test_a_checkpoint_of_another_version_is_not_gone_on_from(tmp_path):
    checkpoint = Checkpoint(tmp_path / "trial.pt", 2)
    checkpoint.save({"epoch": 2})
    content = torch.load(checkpoint.path, weights_only=True)
    torch.save({**content, "versions": ["0", "0"]}, checkpoint.path)
    assert checkpoint.load() is None


class Drawing(torch.nn.Linear):
    """Draws from Python and numpy, and has a buffer that is not saved with the model."""

    def __init__(self):
        super().__init__(4, 2)
        self.register_buffer("last", torch.zeros(4), persistent=False)

    def forward(self, x):
        outputs = super().forward(x + 0.1 * self.last) * random.random() * np.random.rand()  # noqa: NPY002
        if self.training:
            self.last.copy_(x[0].detach())
        return outputs


def test_draws_of_python_and_buffers_that_are_not_saved_go_on_too(tmp_path):
    given, trial = task(Drawing), settings()
    undisturbed = train(given, trial)
    with pytest.raises(Stop):
        train(given, trial, checkpoint=Stopping(tmp_path / "run", 2))
    resumed = train(given, trial, checkpoint=Checkpoint(tmp_path / "run", 2))
    assert (resumed.metrics, resumed.curves) == (undisturbed.metrics, undisturbed.curves)
