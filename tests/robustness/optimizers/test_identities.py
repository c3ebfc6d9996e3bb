"""The identities that tie the optimizers to each other and to torch's, in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustness.optimizers import (
    OPTIMIZERS,
    SMES,
    Ada2MS,
    AdaMomentum,
    DualAdam,
    ExponentPlane,
    InvAdam,
    RuleOptimizer,
    build,
)
from robustness.optimizers.dual_adam import inverse_share

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def moments(optimizer: torch.optim.Optimizer, b1: float, b2: float) -> tuple[list, list]:
    """Return every parameter's m^ and v^ after a step."""
    states = [optimizer.state[p] for group in optimizer.param_groups for p in group["params"]]
    return (
        [s["exp_avg"] / (1 - b1 ** s["step"]) for s in states],
        [s["exp_avg_sq"] / (1 - b2 ** s["step"]) for s in states],
    )


def last_updates(optimizer: torch.optim.Optimizer, params: list, drive, scale: float = 1.0) -> list:
    """Return what the tenth step subtracted from the parameters."""
    drive(optimizer, range(9), scale)
    before = [p.detach().clone() for p in params]
    drive(optimizer, range(9, 10), scale)
    return [b - p.detach() for b, p in zip(before, params, strict=True)]


# 1: Ada2MS(mixing=1) is AdamW.


@pytest.mark.parametrize("scope", ["model", "tensor"])
def test_ada2ms_with_mixing_one_is_adamw(scope: str, parameters, drive) -> None:
    ours, theirs = parameters(), parameters()

    def groups(p: list) -> list[dict]:
        return [{"params": p[:2]}, {"params": p[2:], "lr": 0.02, "weight_decay": 0.3, "betas": (0.5, 0.9)}]

    drive(Ada2MS(groups(ours), lr=0.01, weight_decay=0.1, mixing=1.0, scope=scope))
    drive(torch.optim.AdamW(groups(theirs), lr=0.01, weight_decay=0.1))
    torch.testing.assert_close(ours, theirs, **TIGHT)


# 2: Ada2MS(mixing=0) divides by a global number; the scopes.


def test_ada2ms_with_mixing_zero_divides_by_one_global_number(parameters, drive) -> None:
    params = parameters()
    optimizer = Ada2MS(params, lr=0.1, weight_decay=0.0, mixing=0.0, eps=1e-3)
    updates = last_updates(optimizer, params, drive)
    m, v = moments(optimizer, 0.9, 0.999)
    g = torch.cat([x.reshape(-1) for x in v]).mean()
    torch.testing.assert_close(updates, [0.1 * x / (g.sqrt() + 1e-3) for x in m], **TIGHT)


def test_ada2ms_with_tensor_scope_has_one_number_a_tensor(parameters, drive) -> None:
    params = parameters()
    optimizer = Ada2MS(params, lr=0.1, weight_decay=0.0, mixing=0.0, scope="tensor")
    updates = last_updates(optimizer, params, drive)
    m, v = moments(optimizer, 0.9, 0.999)
    expected = [0.1 * x / (y.mean().sqrt() + 1e-8) for x, y in zip(m, v, strict=True)]
    torch.testing.assert_close(updates, expected, **TIGHT)


def test_ada2ms_scope_and_mixing_may_differ_between_groups(parameters, drive) -> None:
    params = parameters()
    groups = [{"params": params[:2], "scope": "tensor", "mixing": 0.6}, {"params": params[2:]}]
    optimizer = Ada2MS(groups, lr=0.1, weight_decay=0.0, mixing=0.0)
    updates = last_updates(optimizer, params, drive)
    m, v = moments(optimizer, 0.9, 0.999)
    whole = torch.cat([x.reshape(-1) for x in v]).mean()
    expected = [0.1 * m[i] / (v[i] ** 0.3 * v[i].mean() ** 0.2 + 1e-8) for i in (0, 1)]
    expected += [0.1 * m[i] / (whole.sqrt() + 1e-8) for i in (2, 3)]
    torch.testing.assert_close(updates, expected, **TIGHT)


def test_global_moment_corrects_each_parameter_by_its_own_step() -> None:
    late, early = (torch.nn.Parameter(torch.zeros(1, dtype=torch.float64)) for _ in range(2))
    optimizer = Ada2MS([late, early], lr=1.0, weight_decay=0.0, betas=(0.0, 0.5), eps=0.0, mixing=0.0)
    early.grad = torch.tensor([3.0], dtype=torch.float64)
    optimizer.step()
    assert early.item() == pytest.approx(-1.0, rel=1e-12)  # alone in the mean: 3 / sqrt(9)
    early.grad = torch.tensor([1.0], dtype=torch.float64)
    late.grad = torch.tensor([2.0], dtype=torch.float64)
    optimizer.step()
    # early: v = (9 / 2) / 2 + 1 / 2 = 2.75, v^ = 2.75 / 0.75; late: v^ = 4.
    root = ((2.75 / 0.75 + 4.0) / 2) ** 0.5
    assert (early.item(), late.item()) == pytest.approx((-1.0 - 1.0 / root, -2.0 / root), rel=1e-12)


# 3: SMES at exponents 1/2 and 0.


def test_smes_with_exponent_one_half_is_adamw_without_decay(parameters, drive) -> None:
    ours, theirs = parameters(), parameters()
    drive(SMES(ours, lr=0.01, exponent=0.5))
    drive(torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.0))
    torch.testing.assert_close(ours, theirs, **TIGHT)


def test_smes_with_exponent_zero_is_momentum(parameters, drive) -> None:
    params = parameters()
    optimizer = SMES(params, lr=0.1, exponent=0.0, eps=1e-2)
    updates = last_updates(optimizer, params, drive)
    m, _ = moments(optimizer, 0.9, 0.999)
    torch.testing.assert_close(updates, [0.1 * x / 1.01 for x in m], **TIGHT)


# 4: DualAdam at switch rates 1 and 0, and its share by hand.


@pytest.mark.parametrize("switch_rate", [1.0, 3.0])
def test_dualadam_that_switches_at_once_is_adamw(switch_rate: float, parameters, drive) -> None:
    ours, theirs = parameters(), parameters()
    drive(DualAdam(ours, lr=0.01, weight_decay=0.1, switch_rate=switch_rate))
    drive(torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1))
    torch.testing.assert_close(ours, theirs, **TIGHT)


def test_dualadam_that_never_switches_is_invadam(parameters, drive) -> None:
    ours, theirs = parameters(), parameters()
    drive(DualAdam(ours, lr=0.01, switch_rate=0.0))
    drive(InvAdam(theirs, lr=0.01))
    torch.testing.assert_close(ours, theirs, **TIGHT)


def test_dualadam_share_at_steps_one_two_and_ten() -> None:
    assert [inverse_share(t, 0.125) for t in (1, 2, 8, 10)] == [0.875, 0.75, 0.0, 0.0]
    assert inverse_share(torch.tensor([2.0, 10.0]), torch.tensor([[0.125]])).tolist() == [[0.75, 0.0]]
    theta = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = DualAdam([theta], lr=1.0, betas=(0.0, 0.0), eps=0.0, weight_decay=0.0, switch_rate=0.125)
    theta.grad = torch.tensor([2.0], dtype=torch.float64)
    positions = [0.0]
    for _ in range(10):
        optimizer.step()
        positions.append(theta.item())
    # With b1 = b2 = 0, InvAdam moves by g |g| = 4, Adam by 1.
    moved = [positions[t - 1] - positions[t] for t in (1, 2, 10)]
    assert moved == pytest.approx([4 * 0.875 + 0.125, 4 * 0.75 + 0.25, 1.0], rel=1e-12)


# 5: AdaMomentum without momentum.


def test_adamomentum_without_momentum_and_eps_is_adam(parameters, drive) -> None:
    ours, theirs = parameters(), parameters()
    drive(AdaMomentum(ours, lr=0.01, betas=(0.0, 0.999), eps=0.0, weight_decay=0.0))
    drive(torch.optim.Adam(theirs, lr=0.01, betas=(0.0, 0.999), eps=0.0))
    torch.testing.assert_close(ours, theirs, **TIGHT)


# 6: the gradient scale, with eps = 0.

SCALES = [2.0**-10, 2.0**10]


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("mixing", [0.0, 0.3, 0.5, 1.0])
def test_ada2ms_does_not_see_the_gradient_scale(mixing: float, scale: float, parameters, drive) -> None:
    scaled, plain = parameters(), parameters()
    drive(Ada2MS(scaled, lr=0.01, eps=0.0, mixing=mixing), scale=scale)
    drive(Ada2MS(plain, lr=0.01, eps=0.0, mixing=mixing))
    torch.testing.assert_close(scaled, plain, rtol=1e-12, atol=0)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    ("name", "own", "degree"),
    [
        ("smes", {"exponent": 0.25}, 0.5),
        ("smes", {"exponent": 0.3}, 0.4),
        ("smes", {"exponent": -0.5}, 2.0),
        ("invadam", {}, 2.0),
        ("exponent_plane", {"p": 0.2, "q": 0.1}, 0.4),
        ("exponent_plane", {"p": -0.3, "q": 0.8}, 0.0),
    ],
)
def test_update_scales_with_its_degree(
    name: str, own: dict, degree: float, scale: float, parameters, drive
) -> None:
    def update(c: float) -> list:
        params = [torch.nn.Parameter(torch.zeros_like(p)) for p in parameters()]
        drive(build(name, params, lr=1e-3, weight_decay=0.0, eps=0.0, **own), range(5), scale=c)
        return [p.detach() for p in params]

    expected = [scale**degree * u for u in update(1.0)]
    torch.testing.assert_close(update(scale), expected, rtol=1e-12, atol=0)


# 7: the gradient scale as a change of hyperparameters.


def test_adamw_under_a_scale_is_adamw_with_smaller_eps(parameters, drive) -> None:
    scaled, plain = parameters(), parameters()
    drive(build("adamw", scaled, lr=0.01, weight_decay=0.1, eps=1e-2), scale=1024.0)
    drive(build("adamw", plain, lr=0.01, weight_decay=0.1, eps=1e-2 / 1024.0))
    torch.testing.assert_close(scaled, plain, **TIGHT)


def test_sgd_under_a_scale_is_sgd_with_larger_lr_and_smaller_decay(parameters, drive) -> None:
    scaled, plain = parameters(), parameters()
    drive(build("sgd", scaled, lr=0.01, weight_decay=0.1), scale=4.0)
    drive(build("sgd", plain, lr=0.04, weight_decay=0.025))
    torch.testing.assert_close(scaled, plain, **TIGHT)


# 8: elements whose gradient is always zero.

OURS = [name for name, found in OPTIMIZERS.items() if issubclass(found, RuleOptimizer)]


@pytest.mark.parametrize("eps", [0.0, 1e-8])
@pytest.mark.parametrize("name", [name for name in OURS if name != "sgdw"])
def test_elements_with_zero_gradients_only_decay(name: str, eps: float) -> None:
    theta = torch.nn.Parameter(torch.ones(2, 3))
    silent = torch.nn.Parameter(torch.ones(2))
    optimizer = build(name, [theta, silent], lr=0.1, weight_decay=0.5, eps=eps)
    for _ in range(3):
        theta.grad, silent.grad = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]), torch.zeros(2)
        optimizer.step()
    decayed = torch.full((2, 2), 0.95) ** 3
    torch.testing.assert_close(theta.detach()[:, ::2], decayed)
    torch.testing.assert_close(silent.detach(), decayed[0])
    assert theta.isfinite().all()


numbers = st.floats(-2.5, 2.5)


@settings(deadline=None)
@given(p=numbers, q=numbers, eps=st.sampled_from([0.0, 1e-8]), scope=st.sampled_from(["model", "tensor"]))
def test_zero_gradients_stay_put_anywhere_on_the_plane(p: float, q: float, eps: float, scope: str) -> None:
    theta = torch.nn.Parameter(torch.ones(3))
    theta.grad = torch.zeros(3)
    optimizer = ExponentPlane([theta], lr=0.1, eps=eps, weight_decay=0.0, p=p, q=q, scope=scope)
    optimizer.step()
    optimizer.step()
    assert theta.tolist() == [1.0, 1.0, 1.0]


# The exponent plane


@pytest.mark.parametrize(
    ("name", "own", "p", "q"),
    [
        ("adamw", {}, 0.5, 0.0),
        ("ada2ms", {"mixing": 0.3}, 0.15, 0.35),
        ("smes", {"exponent": 0.2}, 0.2, 0.0),
        ("smes", {"exponent": -0.5}, -0.5, 0.0),
    ],
)
def test_plane_holds_the_others(name: str, own: dict, p: float, q: float, parameters, drive) -> None:
    ours, theirs = parameters(), parameters()
    drive(ExponentPlane(ours, lr=0.01, weight_decay=0.1, p=p, q=q))
    drive(build(name, theirs, lr=0.01, weight_decay=0.1, **own))
    torch.testing.assert_close(ours, theirs, **TIGHT)
