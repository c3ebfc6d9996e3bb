"""What every registered optimizer must do, whoever wrote it."""

import copy
import io
import pickle

import pytest
import torch

from robustness.optimizers import OPTIMIZERS, RuleOptimizer, build

OURS = [name for name, found in OPTIMIZERS.items() if issubclass(found, RuleOptimizer)]
LEARNING_RATES = {"sgd": 0.05, "sgdw": 0.05, "invadam": 0.3, "dualadam": 0.1, "smes": 0.1}
OWN = {"dualadam": {"switch_rate": 0.005}}

every = pytest.mark.parametrize("name", OPTIMIZERS)
ascending = pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "muon"])  # as torch's
ours = pytest.mark.parametrize("name", OURS)


def make(name: str, params, lr: float = 0.01, **options):
    return build(name, params, lr=lr, weight_decay=0.1, **OWN.get(name, {}), **options)


@every
def test_converges_on_a_convex_quadratic(name: str) -> None:
    target = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    theta = torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    lr = LEARNING_RATES.get(name, 0.05)
    optimizer = build(name, [theta], lr=lr, weight_decay=0.0, **OWN.get(name, {}))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 1.0 if name == "invadam" else 1.0 - step / 600
    )
    for _ in range(600):
        theta.grad = torch.tensor([1.0, 2.0, 0.5], dtype=torch.float64) * (theta.detach() - target)
        optimizer.step()
        schedule.step()
    # InvAdam's step is quadratic in the gradient: its distance falls as 1 / (lr t), not exponentially.
    assert (theta - target).abs().max() < (0.05 if name == "invadam" else 1e-3)


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_keeps_dtype(name: str, dtype: torch.dtype, parameters, drive) -> None:
    params = parameters(dtype)
    optimizer = make(name, params)
    drive(optimizer, range(3))
    for p in params:
        assert p.dtype == dtype
        assert p.isfinite().all()
        slots = {key: value for key, value in optimizer.state[p].items() if key != "step"}
        assert slots
        assert all(value.dtype == dtype and value.shape == p.shape for value in slots.values())


@ours
def test_bfloat16_follows_float32(name: str, parameters, drive) -> None:
    low, high = parameters(torch.bfloat16), parameters(torch.float32)
    drive(make(name, low), range(1))
    drive(make(name, high), range(1))
    torch.testing.assert_close([p.float() for p in low], [p.detach() for p in high], rtol=0.02, atol=0.02)


@every
def test_state_dict_round_trip_continues_bit_for_bit(name: str, parameters, drive) -> None:
    params = parameters()
    optimizer = make(name, params)
    drive(optimizer, range(7))
    resumed_params = copy.deepcopy(params)
    resumed = make(name, resumed_params, lr=0.7)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    drive(optimizer, range(7, 20))
    drive(resumed, range(7, 20))
    torch.testing.assert_close(resumed_params, params, rtol=0, atol=0)


@every
@pytest.mark.parametrize("copier", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copy_continues_bit_for_bit(name: str, copier, parameters, drive) -> None:
    params = parameters()
    optimizer = make(name, params)
    drive(optimizer, range(5))
    twin = copier(optimizer)
    drive(optimizer, range(5, 9))
    drive(twin, range(5, 9))
    torch.testing.assert_close(twin.param_groups[0]["params"], params, rtol=0, atol=0)


@ascending
def test_maximize_is_minimizing_the_negative(name: str, parameters, drive) -> None:
    up, down = parameters(), parameters()
    ascent = make(name, up)
    ascent.param_groups[0]["maximize"] = True
    drive(ascent, range(10))
    drive(make(name, down), range(10), scale=-1.0)
    torch.testing.assert_close(up, down, rtol=0, atol=0)


@ours
def test_maximize_is_a_keyword_of_the_constructor(name: str, parameters) -> None:
    assert OPTIMIZERS[name](parameters(), maximize=True).param_groups[0]["maximize"] is True
    with pytest.raises(TypeError):
        OPTIMIZERS[name](parameters(), 0.1, *[0.1] * 12)


@every
def test_closure_is_called_once_with_gradients_and_its_loss_returned(name: str) -> None:
    theta = torch.nn.Parameter(torch.ones(2))
    optimizer = make(name, [theta])
    calls = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (theta**2).sum()
        loss.backward()
        calls.append(loss)
        return loss

    assert optimizer.step(closure) is calls[0]
    assert len(calls) == 1
    assert (theta < 1).all()


@every
def test_parameters_without_gradients_are_untouched(name: str) -> None:
    moving, idle = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = make(name, [moving, idle])
    moving.grad = torch.ones(2)
    optimizer.step()
    assert idle.tolist() == [1.0, 1.0]
    assert idle not in optimizer.state
    assert (moving < 1).all()


@every
def test_no_gradients_at_all_is_no_error(name: str, parameters) -> None:
    params = parameters()
    assert make(name, params).step() is None
    torch.testing.assert_close(params, parameters(), rtol=0, atol=0)


@ours
def test_sparse_gradients_are_refused_before_anything_moves(name: str) -> None:
    dense, sparse = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = make(name, [dense, sparse])
    dense.grad, sparse.grad = torch.ones(2), torch.ones(2).to_sparse()
    with pytest.raises(RuntimeError, match="does not support sparse gradients"):
        optimizer.step()
    assert dense.tolist() == [1.0, 1.0]
    assert not optimizer.state


@ours
def test_complex_parameters_are_refused(name: str) -> None:
    theta = torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))
    theta.grad = torch.ones_like(theta)
    with pytest.raises(RuntimeError, match="does not support complex parameters"):
        make(name, [theta]).step()


@ascending
@pytest.mark.parametrize("maximize", [False, True])
def test_gradients_are_never_written_to(name: str, maximize: bool) -> None:
    theta = torch.nn.Parameter(torch.ones(3))
    optimizer = make(name, [theta])
    optimizer.param_groups[0]["maximize"] = maximize
    gradient = torch.tensor([1.0, -2.0, 0.0])
    theta.grad = gradient
    for _ in range(3):
        optimizer.step()
    assert theta.grad is gradient
    assert gradient.tolist() == [1.0, -2.0, 0.0]


@every
def test_unknown_keyword_raises(name: str, parameters) -> None:
    with pytest.raises(TypeError, match="learning_rate"):
        OPTIMIZERS[name](parameters(), learning_rate=0.1)


@every
def test_zero_learning_rate_moves_nothing(name: str, parameters, drive) -> None:
    params = parameters()
    drive(make(name, params, lr=0.0), range(3))
    torch.testing.assert_close(params, parameters(), rtol=0, atol=0)


@every
def test_learning_rate_schedulers_set_the_step(name: str, parameters, drive) -> None:
    params = parameters()
    optimizer = make(name, params)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=1)
    drive(optimizer, range(1))
    schedule.step()
    settled = [p.detach().clone() for p in params]
    drive(optimizer, range(1, 2))
    torch.testing.assert_close([p.detach() for p in params], settled, rtol=0, atol=0)


@ours
def test_tensor_learning_rate_is_taken(name: str, parameters, drive) -> None:
    tensor, number = parameters(), parameters()
    drive(make(name, tensor, lr=torch.tensor(0.01, dtype=torch.float64)), range(5))
    drive(make(name, number, lr=0.01), range(5))
    torch.testing.assert_close(tensor, number, rtol=1e-12, atol=1e-12)


@ours
def test_non_contiguous_parameters(name: str, parameters, drive) -> None:
    strided = [torch.nn.Parameter(p.detach().T.contiguous().T) for p in parameters()[:1]]
    assert not strided[0].is_contiguous()
    plain = parameters()[:1]
    drive(make(name, strided), range(5))
    drive(make(name, plain), range(5))
    torch.testing.assert_close(strided, plain, rtol=1e-12, atol=1e-12)
