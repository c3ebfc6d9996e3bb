"""A study whose task or optimizer cannot train is refused before anything is planned: file, key, value, why."""

import pytest
import torch

from robustness.optimizers import OPTIMIZERS
from studies.planning.plan import plan
from studies.spec.errors import SpecError
from studies.spec.presets import load_spec

STUDY = """
name: own
task: "{task}"
budget: {{epochs: 1, batch_size: 20}}
seeds: 1
grid: {{lr: [0.01], weight_decay: [0]}}
optimizers: {{{optimizers}: {{}}}}
"""
TASKS = """
import torch
from robustness.tasks import Split, Task

x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
model = torch.nn.Linear(4, 2)

class Broken(torch.nn.Module):
    def forward(self, x):
        return x.no_such_method()

def task(make, targets):
    return Task("own", *(Split(x[i::3], targets[i::3]) for i in range(3)), make)

def shared():
    return task(lambda: model, torch.arange(60) // 3 % 2)

def broken():
    return task(Broken, torch.arange(60) // 3 % 2)

def regression():
    return task(lambda: torch.nn.Linear(4, 1), x.sum(1, keepdim=True))

def sound():
    return task(lambda: torch.nn.Linear(4, 2), torch.arange(60) // 3 % 2)
"""


@pytest.mark.parametrize(
    ("task", "optimizer", "reason"),
    [
        ("shared", "sgd", "task: 'ready_tasks:shared': model() returns the same object at every call"),
        ("broken", "sgd", "has no attribute 'no_such_method' (ready_tasks.py, line 10)"),
        ("regression", "sgd", "correct=None for a regression"),
        (
            "sound",
            "muon",
            "optimizers: muon: cannot train the model of ready_tasks:sound: Muon only",
        ),
    ],
)
def test_the_refusal_is_one_line_that_names_file_key_and_reason(
    task, optimizer, reason, tmp_path, monkeypatch
):
    monkeypatch.setitem(OPTIMIZERS, "muon", torch.optim.Muon)
    (tmp_path / "ready_tasks.py").write_text(TASKS)
    path = tmp_path / "own.yaml"
    path.write_text(STUDY.format(task=f"ready_tasks:{task}", optimizers=optimizer))
    with pytest.raises(SpecError) as caught:
        plan(load_spec(path), set())
    assert str(caught.value).startswith(f"{path}: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
