"""How a class declares its hyperparameters: in its constructor's signature, and nowhere else."""

import inspect

import pytest
import torch

from robustness.optimizers import InvAdam, RuleOptimizer
from robustness.optimizers.base import declared
from robustness.optimizers.ranges import FRACTION
from robustness.optimizers.sgdw import SGDW_RULE


class Steady(RuleOptimizer):
    """A class as a user would write it."""

    rule = SGDW_RULE
    ranges = {"p": FRACTION}  # noqa: RUF012

    @declared
    def __init__(
        self, params, lr=0.1, momentum=0.5, weight_decay=0.0, p=1.0, *, nesterov=False, maximize=False
    ):
        self.seen = lr


@pytest.fixture
def theta() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.zeros(2))]


def test_the_arguments_of_the_constructor_are_the_defaults(theta) -> None:
    optimizer = Steady(theta, 0.2, p=0.25, maximize=True)
    given = {"lr": 0.2, "momentum": 0.5, "weight_decay": 0.0, "p": 0.25, "nesterov": False, "maximize": True}
    assert optimizer.defaults == {"foreach": None, "compile": False, **given}
    assert optimizer.param_groups == [{"params": theta, **optimizer.defaults}]
    assert optimizer.seen == 0.2  # what the body did


def test_the_signature_is_the_one_that_is_written() -> None:
    names = ["params", "lr", "momentum", "weight_decay", "p", "nesterov", "maximize"]
    assert list(inspect.signature(Steady).parameters) == names
    assert inspect.signature(InvAdam).parameters["betas"].default == (0.9, 0.999)


def test_python_refuses_what_the_signature_does_not_have(theta) -> None:
    message = r"InvAdam.__init__\(\) got an unexpected keyword argument 'momentum'"
    with pytest.raises(TypeError, match=message):
        InvAdam(theta, momentum=0.9)


def test_a_class_has_its_own_range_for_a_name_that_another_has_too(theta) -> None:
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\], but got 2"):
        Steady(theta, p=2)
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\], but got 2"):
        Steady(theta).add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "p": 2})


def test_a_subclass_may_call_a_declared_constructor(theta) -> None:
    class Slow(Steady):
        def __init__(self, params):
            super().__init__(params, lr=0.01)

    assert Slow(theta).defaults == Steady(theta, lr=0.01).defaults
