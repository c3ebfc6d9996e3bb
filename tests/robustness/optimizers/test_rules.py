"""The rules on their own: equal to torch's classes, and equal for K models at once and one at a time."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from robustness.optimizers import OPTIMIZERS, RULES, Rule, advance, begin, build, finish, hyperparameters
from robustness.optimizers.base import RuleOptimizer
from robustness.optimizers.rule import step_scalars

# One value for each of three models; strings and None are the same for all.
AXES: dict[str, dict[str, list]] = {
    "sgd": {"momentum": [0.0, 0.5, 0.9]},
    "sgdw": {"momentum": [0.5, 0.9, 0.9], "nesterov": [False, True, False]},
    "ada2ms": {"mixing": [0.0, 0.3, 1.0]},
    "dualadam": {"switch_rate": [0.0, 0.1, 1.0]},
    "smes": {"exponent": [0.0, 0.3, -0.5]},
    "exponent_plane": {"p": [0.5, 0.0, -0.2], "q": [0.0, 0.5, 0.7]},
}
ADAM_AXES = {"beta1": [0.9, 0.5, 0.0], "beta2": [0.999, 0.9, 0.5], "eps": [1e-8, 1e-3, 0.0]}


def columns(name: str) -> list[dict]:
    """Return three models' hyperparameters."""
    axes = {"lr": [0.1, 0.03, 0.01], "weight_decay": [0.0, 0.1, 0.5], **AXES.get(name, {})}
    if "beta1" in hyperparameters(name):
        axes |= ADAM_AXES
    return [{key: values[k] for key, values in axes.items()} for k in range(3)]


def stacked(name: str, models: list[dict]) -> dict:
    """Return them as [3, 1] tensors over the defaults, as for a matrix of models."""
    tensors = {
        key: torch.tensor([[model[key]] for model in models], dtype=torch.float64) for key in models[0]
    }
    return hyperparameters(name) | tensors


def train_matrix(name: str, start: Tensor, gradients: list[Tensor], hyper: dict, step=advance) -> Tensor:
    """Train the rows of ``start`` by the rule."""
    theta = start.clone()
    state = {slot: torch.zeros_like(theta) for slot in RULES[name].slots}
    for t, gradient in enumerate(gradients, start=1):
        number = torch.tensor(float(t), dtype=torch.float64)
        scalars = step_scalars(RULES[name], number, hyper, theta.dtype)
        step(RULES[name], theta, gradient, state, scalars)
    return theta


def train_single(name: str, start: Tensor, gradients: list[Tensor], model: dict) -> Tensor:
    """Train one row by the optimizer, its parameters in two tensors."""
    head, tail = (torch.nn.Parameter(part.clone()) for part in (start[:3], start[3:]))
    optimizer = build(name, [head, tail], **model)
    for gradient in gradients:
        head.grad, tail.grad = gradient[:3].clone(), gradient[3:].clone()
        optimizer.step()
    return torch.cat([head, tail]).detach()


def draws(shape: tuple[int, ...], steps: int) -> tuple[Tensor, list[Tensor]]:
    generator = torch.Generator().manual_seed(3)
    start, *gradients = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(steps + 1)
    )
    for gradient in gradients:
        gradient[..., 0] = 0.0
    return start, gradients


@pytest.mark.parametrize("name", RULES)
def test_matrix_of_models_equals_one_model_at_a_time(name: str) -> None:
    # Learning rates, decay rates, eps and each optimizer's own hyperparameters differ between the models, and
    # one element's gradient is always zero. torch's own classes give 0/0 there with eps = 0.
    models = columns(name)
    if name in ("adam", "adamw"):
        models[2]["eps"] = 1e-8
    start, gradients = draws((3, 7), 20)
    together = train_matrix(name, start, gradients, stacked(name, models))
    for k, model in enumerate(models):
        alone = train_single(name, start[k], [gradient[k] for gradient in gradients], model)
        torch.testing.assert_close(together[k], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_matrix_of_mixing_schedules_equals_one_model_at_a_time(schedule: str) -> None:
    ends, steps = [0.0, 1.0, 0.6], [5, 10, 40]
    models = [
        {**model, "mixing_end": end, "mixing_steps": n}
        for model, end, n in zip(columns("ada2ms"), ends, steps, strict=True)
    ]
    start, gradients = draws((3, 7), 20)
    together = train_matrix(
        "ada2ms", start, gradients, stacked("ada2ms", models) | {"mixing_schedule": schedule}
    )
    for k, model in enumerate(models):
        model = {**model, "mixing_schedule": schedule}
        alone = train_single("ada2ms", start[k], [gradient[k] for gradient in gradients], model)
        torch.testing.assert_close(together[k], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["ada2ms", "exponent_plane"])
def test_matrix_of_models_with_tensor_scope_equals_one_model_at_a_time(name: str) -> None:
    models = columns(name)
    start, gradients = draws((3, 7), 20)

    def step(*arguments: Any) -> None:
        advance(*arguments, sizes=(3, 4))

    together = train_matrix(name, start, gradients, stacked(name, models), step)
    for k, model in enumerate(models):
        alone = train_single(name, start[k], [g[k] for g in gradients], {**model, "scope": "tensor"})
        torch.testing.assert_close(together[k], alone, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["ada2ms", "exponent_plane"])
def test_global_moment_may_be_a_number_or_a_tensor(name: str) -> None:
    hyper = hyperparameters(name) | {"lr": 0.1, "weight_decay": 0.1, "q": 0.3}
    start, (gradient,) = draws((7,), 1)
    results = []
    for global_sq in (0.7, torch.tensor(0.7, dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64)):
        theta = start.clone()
        state = {slot: torch.zeros_like(theta) for slot in RULES[name].slots}
        scalars = step_scalars(RULES[name], 1, hyper, theta.dtype)
        seen = begin(RULES[name], theta, gradient, state, scalars)
        finish(RULES[name], theta, seen, state, RULES[name].absorb(scalars, global_sq))
        results.append(theta)
    torch.testing.assert_close(results, [results[0]] * 3, rtol=1e-14, atol=0)


@pytest.mark.parametrize("name", ["ada2ms", "dualadam", "adamnx", "sgdw"])
def test_compiled_matrix_equals_eager_in_one_graph(name: str) -> None:
    torch.compiler.reset()
    compiled = torch.compile(advance, fullgraph=True, backend="aot_eager")
    start, gradients = draws((3, 7), 4)
    hyper = stacked(name, columns(name))
    eager = train_matrix(name, start, gradients, hyper)
    torch.testing.assert_close(
        train_matrix(name, start, gradients, hyper, compiled), eager, rtol=1e-12, atol=0
    )


def test_matrix_in_float32_takes_float64_hyperparameters() -> None:
    start, gradients = draws((3, 7), 10)
    hyper = stacked("ada2ms", columns("ada2ms"))
    expected = train_matrix("ada2ms", start, gradients, hyper).float()
    single = train_matrix("ada2ms", start.float(), [gradient.float() for gradient in gradients], hyper)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("torch_class", "name", "options"),
    [
        (torch.optim.AdamW, "adamw", {"betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1}),
        (torch.optim.Adam, "adam", {"betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1}),
        (torch.optim.SGD, "sgd", {"momentum": 0.9, "nesterov": False, "weight_decay": 0.1}),
        (torch.optim.SGD, "sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        (torch.optim.SGD, "sgd", {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}),
    ],
)
def test_rule_equals_torchs_class(torch_class: type, name: str, options: dict, parameters, drive) -> None:
    ours, theirs = parameters(), parameters()

    class Plain(RuleOptimizer):
        rule = RULES[name]

        def __init__(self, params: list[Tensor]) -> None:
            super().__init__(params, {"lr": 0.05, "maximize": False, **options})

    drive(Plain(ours))
    drive(torch_class(theirs, lr=0.05, **options))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_rules_cover_the_registry() -> None:
    assert list(RULES) == [
        name for name in OPTIMIZERS if name != "muon"
    ]  # its step is no elementwise function
    for name, rule in RULES.items():
        assert isinstance(rule, Rule)
        assert rule.coupled_decay == (name in ("sgd", "adam"))
        assert (rule.absorb is not None) == (name in ("ada2ms", "exponent_plane"))
    assert replace(RULES["sgd"], coupled_decay=False) == RULES["sgdw"]
