import subprocess
import sys

import pytest
import torch

from studies.spec.errors import SpecError
from studies.spec.optimizers.dry_build import dry_build
from studies.spec.study import StudySpec

READING = """
import sys
from studies.spec.presets import load_spec
load_spec("quickstart")
assert "torch" in sys.modules and "torch._dynamo" not in sys.modules, "reading a study imports the compiler"
import torch
torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
assert "torch._dynamo" in sys.modules, "torch is not as it was"
"""


def test_reading_a_study_imports_no_compiler_and_leaves_torch_as_it_was():
    done = subprocess.run([sys.executable, "-c", READING], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("values", [{"mixing": 2.0}, {"eps": -1.0}])
def test_what_the_constructor_refuses_is_heard(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        dry_build("ada2ms", {"lr": 0.1, "weight_decay": 0.0, **values})
    assert not hasattr(torch.optim.Optimizer.add_param_group.__wrapped__, "__dynamo_disable") or (
        "torch._dynamo" in sys.modules
    )


def study(grid=None, **optimizers):
    grid = grid or {"lr": {"decades": 2, "points": 3}, "weight_decay": [0, 1e-2]}
    budget = {"epochs": 1, "batch_size": 64}
    return StudySpec(name="s", task="digits-mlp", budget=budget, grid=grid, optimizers=optimizers)


def test_an_optimizer_may_have_axes_of_its_own():
    spec = study(sgd={"lr": [0.5, 0.1], "weight_decay": 1e-3}, adamw={"lr": 1e-3})
    sgd = spec.optimizers["sgd"]
    assert sgd.rates(spec.grid) == (0.5, 0.1)
    assert sgd.decays(spec.grid) == (0.001,)
    assert spec.optimizers["adamw"].decays(spec.grid) == (0.0, 0.01)


def test_a_list_of_learning_rates_is_shared_by_all_without_one_of_their_own():
    spec = study({"lr": [0.1, 1], "weight_decay": [0]}, sgd={}, adamw={"lr": [1e-3]})
    assert spec.optimizers["sgd"].rates(spec.grid) == (0.1, 1.0)
    assert spec.optimizers["adamw"].rates(spec.grid) == (0.001,)


def test_variations_that_only_fail_together_are_found():
    with pytest.raises(SpecError, match=r"^optimizers\.sgd\.nesterov: True: requires momentum > 0$"):
        study(sgd={"lr": 1, "momentum": [0.9, 0], "nesterov": [False, True]})
