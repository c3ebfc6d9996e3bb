"""Flatness against Hessians that are known: a quadratic's, and those of small networks computed whole."""

import math

import pytest
import torch
from torch import nn

from robustness.tasks import Split, Task
from robustness.training import flatness as module
from robustness.training.flatness import RHO, flatness, hutchpp

CURVATURES = torch.tensor([5.0, 3.0, -1.0], dtype=torch.float64)


class Point(nn.Module):
    """Parameters alone: the output is where they are."""

    def __init__(self, start):
        super().__init__()
        self.at = nn.Parameter(start.clone())

    def forward(self, inputs):
        return self.at.expand(len(inputs), -1)


def quadratic(curvatures=CURVATURES):
    split = Split(torch.zeros(5, 1, dtype=torch.float64), torch.zeros(5, dtype=torch.int64))

    def loss(outputs, targets):
        return (outputs.square() @ curvatures).mean() / 2

    return Task("quadratic", split, split, split, lambda: Point(curvatures), loss=loss, correct=None)


def network(hidden=12, examples=300, classes=4, **layers):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(examples, 11, generator=generator, dtype=torch.float64)
    targets = (
        inputs[:, :classes].argmax(1) + (torch.rand(examples, generator=generator) < 0.2).long()
    ) % classes
    split = Split(inputs, targets)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(11, hidden), nn.Tanh(), nn.Linear(hidden, classes)).double()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    return Task("network", split, split, split, lambda: model), model


def exact_hessian(task, model):
    names, values = zip(*model.named_parameters(), strict=True)
    sizes = [value.numel() for value in values]

    def loss(flat):
        parts = {n: p.view_as(v) for n, p, v in zip(names, flat.split(sizes), values, strict=True)}
        outputs = torch.func.functional_call(model, parts, (task.train.inputs,))
        return task.loss(outputs, task.train.targets)

    return torch.autograd.functional.hessian(loss, torch.cat([value.detach().flatten() for value in values]))


def test_all_three_are_known_on_a_quadratic():
    at = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    measured = flatness(quadratic(), Point(at))
    gradient = CURVATURES * at
    rise = RHO * gradient.norm() + RHO**2 / 2 * (CURVATURES * gradient**2).sum() / gradient.norm() ** 2
    assert measured["lambda_max"] == pytest.approx(5, rel=1e-12)
    assert (measured["hessian_trace"], measured["hessian_trace_se"]) == (pytest.approx(7, rel=1e-12), 0)
    assert measured["sam_sharpness"] == pytest.approx(float(rise), rel=1e-9)


def test_sharpness_is_0_where_there_is_no_gradient():
    assert flatness(quadratic(), Point(torch.zeros(3, dtype=torch.float64)))["sam_sharpness"] == 0


def test_a_quadratic_of_many_parameters_is_estimated():
    curvatures = torch.cat([torch.tensor([100.0, 50.0]), torch.linspace(0, 1, 500)]).double()
    measured = flatness(quadratic(curvatures), Point(curvatures))
    assert measured["lambda_max"] == pytest.approx(100, rel=1e-6)
    assert 0 < measured["hessian_trace_se"] <= 0.005 * measured["hessian_trace"]
    assert measured["hessian_trace"] == pytest.approx(400, abs=4 * measured["hessian_trace_se"])


@pytest.mark.parametrize("whole", [256, 0])
def test_a_network_of_200_parameters_has_the_flatness_of_its_exact_hessian(monkeypatch, whole):
    monkeypatch.setattr(module, "WHOLE", whole)
    task, model = network()
    hessian = exact_hessian(task, model)
    measured = flatness(task, model)
    assert hessian.shape == (196, 196)
    assert measured["lambda_max"] == pytest.approx(float(torch.linalg.eigvalsh(hessian)[-1]), rel=1e-3)
    error = measured["hessian_trace_se"]
    assert (error == 0) == (whole > 0)
    assert measured["hessian_trace"] == pytest.approx(float(hessian.trace()), rel=1e-3, abs=4 * error)


def test_the_standard_error_of_the_trace_is_what_repeated_estimates_show():
    generator = torch.Generator().manual_seed(0)
    half = torch.randn(150, 150, generator=generator, dtype=torch.float64)
    matrix = half + half.T + 10 * torch.eye(150)

    def signs():
        while True:
            yield torch.randint(0, 2, (150,), generator=generator).double() * 2 - 1

    found = [hutchpp(lambda vector: matrix @ vector, signs()) for _ in range(40)]
    deviations = torch.tensor([(trace - float(matrix.trace())) / error for trace, error in found])
    assert 0.7 < float(deviations.square().mean().sqrt()) < 1.35
    assert abs(float(deviations.mean())) < 3 / math.sqrt(40)


def test_the_model_is_left_as_it_was_and_the_same_numbers_come_again():
    task, model = network()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    first = flatness(task, model)
    torch.rand(3)
    assert flatness(task, model) == first
    assert model.training
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_dropout_and_attention_have_flatness_too():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(24, 2))
    inputs = torch.randn(40, 3, 8)
    split = Split(inputs, (inputs[:, 0, 0] > 0).long())
    measured = flatness(Task("attention", split, split, split, lambda: model), model)
    assert all(math.isfinite(value) for value in measured.values())


def test_parameters_that_the_loss_does_not_depend_on_are_left_out():
    class Idle(Point):
        def __init__(self, start):
            super().__init__(start)
            self.unused = nn.Parameter(start.clone())

    task = quadratic()
    assert flatness(task, Idle(CURVATURES)) == flatness(task, Point(CURVATURES))
