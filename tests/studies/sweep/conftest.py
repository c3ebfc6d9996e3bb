"""What tests of the sweep share: a task of a linear model, which trains in milliseconds, and plans of it."""

from dataclasses import replace

import pytest
import torch

from robustness.tasks import Split, Task
from robustness.training import Engine
from studies import StudySpec
from studies.planning.plan import Plan, cut
from studies.planning.trials import expand

SEQUENTIAL = Engine("sequential", 1, compile=False, measured={})
FUSED = Engine("fused", 8, compile=False, measured={})


def linear():
    return torch.nn.Linear(2, 2)


def bounded(outputs, targets):
    """Cross-entropy that large outputs make infinite, so that a large learning rate diverges for every seed."""
    return torch.nn.functional.cross_entropy(outputs, targets) + outputs.square().mean()


def blobs(loss=bounded):
    targets = torch.arange(60) % 2
    inputs = torch.randn(60, 2, generator=torch.Generator().manual_seed(0)) + 4.0 * targets[:, None]
    train, val, test = (Split(inputs[start::3], targets[start::3]) for start in range(3))
    return Task("blobs", train, val, test, linear, loss)


@pytest.fixture(scope="session")
def spec():
    """Make a study's spec, with some keys changed; its task is ``blobs``, handed over beside it."""

    def make(**changes):
        settings = {
            "name": "tiny",
            "task": "digits-mlp",
            "budget": {"epochs": 2, "batch_size": 10},
            "seeds": 2,
            "grid": {"lr": [1e-3, 1e-2, 1e20], "weight_decay": [0.0]},
            "optimizers": {"sgd": {}},
        }
        return StudySpec(**{**settings, **changes})

    return make


@pytest.fixture(scope="session")
def plan(spec):
    """Make the plan of a study of ``blobs``: six trials, two of which diverge."""

    def make(engine=SEQUENTIAL, loss=bounded, **changes):
        study, task = spec(**changes), replace(blobs(loss), name="digits-mlp")
        trials = tuple(expand(study, task))
        return Plan(study, task, trials, cut(trials, engine), engine)

    return make
