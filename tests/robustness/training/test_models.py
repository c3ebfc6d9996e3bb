"""What every model must do, whoever wrote it: train in a pack as alone, or be refused and trained alone."""

import random
from itertools import count

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from robustness.optimizers import RULES
from robustness.tasks import Split, Task
from robustness.training import PackTrainer, Training, TrialSettings, choose, train

RATES = {"sgd": 0.05, "sgdw": 0.05, "smes": 0.02, "invadam": 1e-3, "dualadam": 3e-3}
TEXTS = torch.randint(0, 10, (48, 7), generator=torch.Generator().manual_seed(1))
POINTS = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))


class Frozen(nn.Module):
    """A backbone without gradients, whose numbers depend on the seed, under a head."""

    def __init__(self, *, flag=True):
        super().__init__()
        self.body, self.head, self.flag = nn.Linear(4, 4), nn.Linear(4, 2), flag
        self.body.requires_grad_(not flag)

    def forward(self, x):
        with torch.set_grad_enabled(self.flag and torch.is_grad_enabled()):
            features = torch.relu(self.body(x))
        return self.head(features)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.never = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        return self.used(x)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.b.weight = self.a.weight
        self.a.register_buffer("shift", torch.randn(4))
        self.b.register_buffer("shift", self.a.shift)

    def forward(self, x):
        return self.head(torch.tanh(self.b(torch.tanh(self.a(x)) + self.b.shift)))


class Reading(nn.Module):
    """Embeds characters, with a padding row, and reads them with another module."""

    def __init__(self, reader=None):
        super().__init__()
        self.embedding, self.reader, self.head = nn.Embedding(10, 8, padding_idx=0), reader, nn.Linear(8, 2)

    def forward(self, x):
        states = self.embedding(x)
        if self.reader is not None:
            states = self.reader(states)
        return self.head((states[0] if isinstance(states, tuple) else states).mean(1))


class Buffered(nn.Module):
    """Has a constant buffer, one that is written in place, one that is replaced, and one that is not saved."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)
        self.register_buffer("shift", torch.randn(4))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("last", torch.zeros(4), persistent=False)

    def forward(self, x):
        if self.training:
            self.seen.add_(1)
            self.last.copy_(x[0].detach())
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0).detach()
        return self.layer(x + self.shift - self.mean + 0.1 * self.last) * (1 + 0.01 * self.seen)


class Odd(nn.Module):
    """Has a scalar parameter and one without elements."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Linear(4, 2), nn.Parameter(torch.tensor(1.5))
        self.nothing = nn.Parameter(torch.zeros(0, 3))

    def forward(self, x):
        return self.layer(x) * self.scale + self.nothing.sum()


class SingleConstant(nn.Module):
    """Has a constant in float32 that is no buffer, so it cannot be computed in float64."""

    def __init__(self):
        super().__init__()
        self.layer, self.turn = nn.Linear(4, 2), torch.eye(4)

    def forward(self, x):
        return self.layer(x @ self.turn)


class Some(nn.Module):
    """Uses one of its layers in some steps only."""

    def __init__(self, used):
        super().__init__()
        self.a, self.b, self.used = nn.Linear(4, 2), nn.Linear(4, 2), used

    def forward(self, x):
        return self.a(x) + (self.b(x) if self.used(self) else 0)


class Hidden(nn.Module):
    """Keeps a running mean that is no buffer."""

    def __init__(self):
        super().__init__()
        self.layer, self.mean = nn.Linear(4, 2), torch.zeros(4)

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0).detach()
        return self.layer(x - self.mean)


def counted(model):
    model.steps = getattr(model, "steps", 0) + 1
    return model.steps % 2


GLOBAL = [0]


def counted_elsewhere(_):
    GLOBAL[0] += 1
    return GLOBAL[0] % 2


def normalized(norm):
    return nn.Sequential(nn.Linear(4, 8), norm, nn.ReLU(), nn.Linear(8, 2))


def frozen_batch_norm(*, whole=True):
    model = normalized(nn.BatchNorm1d(8))
    model[1].eval()
    model[1].running_mean.normal_()
    return model.requires_grad_(whole)[1].requires_grad_(not whole) and model


def hooked_state():
    """Count the forward passes in a hook, and scale the outputs by them."""
    model, calls = nn.Linear(4, 2), []
    model.register_forward_hook(
        lambda module, inputs, output: calls.append(1) or output * (1 + 0.1 * len(calls))
    )
    return model


def hooked_gradient():
    model = nn.Linear(4, 2)
    model.weight.register_hook(lambda gradient: gradient * torch.tensor([[1.0], [0.0]]).to(gradient))
    return model


PACKED = {
    "plain": lambda: nn.Linear(4, 2),
    "frozen": Frozen,
    "backbone under no_grad": lambda: Frozen(flag=False),
    "unused": Unused,
    "tied": Tied,
    "weight norm": lambda: nn.Sequential(
        parametrizations.weight_norm(nn.Linear(4, 8)), nn.ReLU(), nn.Linear(8, 2)
    ),
    "batch norm": lambda: normalized(nn.BatchNorm1d(8)),
    "group norm": lambda: normalized(nn.GroupNorm(2, 8)),
    "layer norm": lambda: normalized(nn.LayerNorm(8)),
    "frozen batch norm": frozen_batch_norm,
    "embedding": Reading,
    "attention": lambda: Reading(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)),
    "buffers": Buffered,
    "odd shapes": Odd,
    "evaluation mode": lambda: normalized(nn.BatchNorm1d(8)).eval(),
}
REFUSED = {
    "spectral norm": (lambda: parametrizations.spectral_norm(nn.Linear(4, 2)), "Batching rule"),
    "cumulative batch norm": (lambda: normalized(nn.BatchNorm1d(8, momentum=None)), "vmap"),
    "rnn": (lambda: Reading(nn.RNN(8, 8, batch_first=True)), "Batching rule"),
    "gru": (lambda: Reading(nn.GRU(8, 8, batch_first=True)), "Batching rule"),
    "lstm": (lambda: Reading(nn.LSTM(8, 8, batch_first=True)), "Batching rule"),
    "some steps": (lambda: Some(counted), "the forward of Some changes its attribute steps"),
    "some at random": (lambda: Some(lambda _: random.random() < 0.5), "Python's random numbers"),
    "numpy": (lambda: Some(lambda _: np.random.rand() < 0.5), "numpy's random numbers"),  # noqa: NPY002
    "an iterator": (lambda: Some(lambda _, c=count(): next(c) % 2), "attribute used"),  # noqa: B008
    "a variable elsewhere": (lambda: Some(counted_elsewhere), "would give other numbers than single models"),
    "hidden tensor": (Hidden, "the forward of Hidden changes its attribute mean"),
    "dropout": (lambda: normalized(nn.Dropout(0.5)), "draws random numbers"),
    "a hook's state": (hooked_state, "a hook of Linear changes its own state"),
    "a gradient's hook": (
        hooked_gradient,
        "would give other numbers than single models (gradient of step 1)",
    ),
}


def task(model):
    inputs = TEXTS if isinstance(model(), Reading) else POINTS.double()
    targets = (inputs.sum(1) > inputs.sum(1).double().median()).long()
    parts = [Split(inputs[start::3], targets[start::3]) for start in range(3)]
    return Task("awkward", *parts, model)


def trials(seeds=(0, 1), **changes):
    """Make trials with every rule: 20 steps, evaluated before and after."""
    training = Training(evaluate_every=10, **changes)
    return [
        TrialSettings(
            name,
            {"lr": RATES.get(name, 3e-3), "weight_decay": 0.1},
            seed=seed,
            epochs=10,
            batch_size=8,
            training=training,
        )
        for name in RULES
        for seed in seeds
    ]


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize(
    "changes", [{}, {"seeds": (2,), "clip_norm": 0.1, "decay": "matrices"}], ids=["", "clipped"]
)
@pytest.mark.parametrize("model", PACKED.values(), ids=PACKED)
def test_a_pack_gives_what_its_trials_give_alone_with_every_optimizer(model, changes):
    given = task(model)
    together = PackTrainer(given, dtype=torch.float64).train(trials(**changes))
    for settings, result in zip(trials(**changes), together, strict=True):
        alone = train(given, settings, dtype=torch.float64)
        assert (result.status, len(result.curves)) == (alone.status, len(alone.curves))
        for one, other in zip(result.curves, alone.curves, strict=True):
            assert one.loss == pytest.approx(other.loss, rel=1e-9), settings.optimizer


@pytest.mark.parametrize(("model", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_model_that_a_pack_would_change_is_refused_and_trained_alone(model, reason, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given, (first, *_) = task(model), trials()
    engine = choose(given, [first], "cpu")
    assert engine.name == "sequential"
    assert reason in engine.reason
    assert choose(given, [first], "cpu") == engine  # remembered
    with pytest.raises(ValueError, match="cannot be trained by the fused engine"):
        choose(given, [first], "cpu", "fused")
    for settings in trials():
        if settings.optimizer in ("sgd", "ada2ms"):
            assert train(given, settings, dtype=torch.float64).status != "failed"


@pytest.mark.parametrize("model", PACKED.values(), ids=PACKED)
def test_a_model_that_a_pack_can_train_is_not_refused(model, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choose(task(model), trials()[:1], "cpu", "fused").name == "fused"


def test_a_model_for_float32_alone_is_compared_in_float32(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert choose(task(SingleConstant), trials()[:1], "cpu", "fused").name == "fused"
