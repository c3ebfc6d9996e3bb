"""What no other optimizer can be compared to, worked by hand."""

import math

import pytest
import torch

from robustness.optimizers import SGDW, Ada2MS, AdamNX, AdaMomentum, InvAdam
from robustness.optimizers.ada2ms import mixing_at
from robustness.optimizers.adamnx import decay_rates


def run(optimizer_class: type, gradients: list[float], **options: object) -> list[float]:
    """Return the positions of one parameter that starts at 1, after each step."""
    theta = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = optimizer_class([theta], **options)
    positions = []
    for gradient in gradients:
        theta.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        positions.append(theta.item())
    return positions


def test_invadam_two_steps() -> None:
    found = run(InvAdam, [2.0, 4.0], lr=0.1, betas=(0.5, 0.75), eps=0.25, weight_decay=0.0)
    # m^ = 2, v^ = 4; then m = 2.5, m^ = 2.5 / 0.75, v = 0.75 + 4 = 4.75, v^ = 4.75 / (1 - 0.5625).
    first = 1 - 0.1 * 2 * 2.25
    second = first - 0.1 * (2.5 / 0.75) * (math.sqrt(4.75 / 0.4375) + 0.25)
    assert found == pytest.approx([first, second], rel=1e-12)


def test_adamomentum_adds_eps_at_every_step() -> None:
    found = run(AdaMomentum, [2.0, 4.0], lr=0.1, betas=(0.5, 0.75), eps=0.5, weight_decay=1.0)
    # m = 1, s = 0.25 + 0.5 = 0.75; then m = 2.5, s = 0.5625 + 0.25 * 6.25 + 0.5 = 2.625.
    first = 0.9 - 0.1 * (1 / 0.5) / math.sqrt(0.75 / 0.25)
    second = first * 0.9 - 0.1 * (2.5 / 0.75) / math.sqrt(2.625 / 0.4375)
    assert found == pytest.approx([first, second], rel=1e-12)


def test_adamnx_rates_and_two_steps() -> None:
    assert decay_rates(1, 0.9, 0.99) == (0.0, 0.0)
    first, second = decay_rates(2, 0.5, 0.25)
    assert first == pytest.approx(0.25 / 0.75, rel=1e-15)
    assert second == pytest.approx((1 - 0.25**0.75) / (1 - 0.25**1.5), rel=1e-15)
    found = run(AdamNX, [2.0, 4.0], lr=0.1, betas=(0.5, 0.25), eps=0.0, weight_decay=0.0)
    m = first * 2 + (1 - first) * 4
    v = second * 4 + (1 - second) * 16
    assert found == pytest.approx([0.9, 0.9 - 0.1 * m / math.sqrt(v)], rel=1e-12)


def test_sgdw_decays_beside_the_gradient() -> None:
    plain = run(SGDW, [2.0, 4.0], lr=0.1, momentum=0.5, weight_decay=1.0)
    assert plain == pytest.approx([0.9 - 0.2, 0.7 * 0.9 - 0.1 * 5], rel=1e-12)
    nesterov = run(SGDW, [2.0, 4.0], lr=0.1, momentum=0.5, weight_decay=1.0, nesterov=True)
    assert nesterov == pytest.approx([0.9 - 0.3, 0.6 * 0.9 - 0.1 * 6.5], rel=1e-12)


def test_mixing_schedules_by_hand() -> None:
    hyper = {"mixing": 1.0, "mixing_end": 0.2, "mixing_steps": 4, "mixing_schedule": "linear"}
    assert [mixing_at(t, hyper) for t in (1, 2, 3, 5, 9)] == pytest.approx([1.0, 0.8, 0.6, 0.2, 0.2])
    hyper["mixing_schedule"] = "cosine"
    quarter = 1 - 0.8 * (1 - math.sqrt(0.5)) / 2
    assert [mixing_at(t, hyper) for t in (1, 2, 3, 5, 9)] == pytest.approx([1.0, quarter, 0.6, 0.2, 0.2])
    assert mixing_at(7, {"mixing": 0.4}) == 0.4


def test_mixing_schedule_moves_the_update() -> None:
    theta = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
    schedule = {"mixing": 1.0, "mixing_end": 0.0, "mixing_steps": 2}
    optimizer = Ada2MS([theta], lr=1.0, betas=(0.0, 0.0), eps=0.0, weight_decay=0.0, **schedule)
    theta.grad = torch.tensor([1.0, 7.0], dtype=torch.float64)
    updates = []
    for _ in range(4):
        before = theta.detach().clone()
        optimizer.step()
        updates.append((before - theta.detach()).tolist())
    # Without memory v = (1, 49) and G = 25 throughout; mixing is 1, 1/2, 0, 0.
    expected = [[1.0, 1.0], [1 / math.sqrt(5), 7 / math.sqrt(35)], [0.2, 1.4], [0.2, 1.4]]
    torch.testing.assert_close(torch.tensor(updates), torch.tensor(expected))
