import subprocess
import sys

import pytest
import torch

from studies.spec.optimizers import dry_build

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
