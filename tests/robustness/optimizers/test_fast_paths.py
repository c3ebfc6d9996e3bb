"""Gathered, tiled and compiled updates give the numbers of the plain path."""

import copy

import pytest
import torch

from robustness.optimizers import OPTIMIZERS, RuleOptimizer
from robustness.optimizers.fast.compiling import compiler_found
from robustness.optimizers.fast.updates import GATHERED_CPU, TILE

OURS = [name for name, found in OPTIMIZERS.items() if issubclass(found, RuleOptimizer)]
FEW = {"foreach": True}
COMPILED = {"compile": True}
needs_compiler = pytest.mark.skipif(not compiler_found("cpu"), reason="no C++ compiler is installed")
ways = pytest.mark.parametrize("way", [FEW, pytest.param(COMPILED, marks=needs_compiler)], ids=str)
# Many small tensors, some to be updated where they are, and one that is cut into tiles.
SHAPES = ((7,), (3, 5), (), (1, 2, 3, 3), (GATHERED_CPU,), (160, 130), (2 * TILE + 3,))


def make(name: str, dtype: torch.dtype = torch.float64, shapes=SHAPES, **options):
    generator = torch.Generator().manual_seed(0)
    params = [
        torch.nn.Parameter(torch.randn(s, generator=generator, dtype=torch.float64).to(dtype)) for s in shapes
    ]
    half = len(params) // 2
    groups = [{"params": params[:half], "lr": 0.02}, {"params": params[half:], "weight_decay": 0.3}]
    return params, OPTIMIZERS[name](groups, lr=0.01, weight_decay=0.1, **options)


def drive(params, optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for i, p in enumerate(params):
            if (step, i) == (3, 1):
                p.grad = None  # parameters without gradients leave their vector and come back
                continue
            draw = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            p.grad = draw.to(p.dtype).contiguous(
                memory_format=torch.channels_last if p.dim() == 4 else torch.contiguous_format
            )
        optimizer.step()


@ways
@pytest.mark.parametrize("name", OURS)
def test_equals_the_plain_path(name: str, way: dict[str, bool]) -> None:
    plain_params, plain = make(name, foreach=False)
    params, fast = make(name, **way)
    drive(plain_params, plain, range(6))
    drive(params, fast, range(6))
    torch.testing.assert_close(params, plain_params, rtol=1e-11, atol=1e-13)
    for p, q in zip(params, plain_params, strict=True):
        torch.testing.assert_close(fast.state[p], plain.state[q], rtol=1e-11, atol=1e-13)


@ways
@pytest.mark.parametrize(
    "options", [{"mixing": 0.0}, {"mixing": 1.0}, {"mixing": 0.3, "scope": "tensor"}], ids=str
)
def test_ada2ms_at_any_mixing_and_scope(options: dict[str, object], way: dict[str, bool]) -> None:
    plain_params, plain = make("ada2ms", foreach=False, **options)
    params, fast = make("ada2ms", **options, **way)
    drive(plain_params, plain, range(6))
    drive(params, fast, range(6))
    torch.testing.assert_close(params, plain_params, rtol=1e-11, atol=1e-13)


@ways
@pytest.mark.parametrize("mixing", [0.5, 0.3])
def test_float32_over_many_steps(mixing: float, way: dict[str, bool]) -> None:
    shapes = ((7,), (3, 5), (GATHERED_CPU,))
    plain_params, plain = make("ada2ms", torch.float32, shapes, mixing=mixing, foreach=False)
    params, fast = make("ada2ms", torch.float32, shapes, mixing=mixing, **way)
    drive(plain_params, plain, range(200))
    drive(params, fast, range(200))
    torch.testing.assert_close(params, plain_params, rtol=1e-4, atol=1e-5)


@ways
def test_takes_up_states_and_parameters_that_others_changed(way: dict[str, bool]) -> None:
    plain_params, plain = make("ada2ms", foreach=False)
    params, fast = make("ada2ms", **way)
    for changed, optimizer in ((plain_params, plain), (params, fast)):
        drive(changed, optimizer, range(2))
        with torch.no_grad():
            changed[0].mul_(2)
            changed[1].data = changed[1].data.clone() + 1
            optimizer.state[changed[2]]["exp_avg_sq"].add_(0.5)
            optimizer.state[changed[4]]["exp_avg_sq"] = torch.ones_like(changed[4])
        drive(changed, optimizer, range(2, 4))
    torch.testing.assert_close(params, plain_params, rtol=1e-11, atol=1e-13)


@ways
def test_checkpoints_pass_between_the_paths(way: dict[str, bool]) -> None:
    plain_params, plain = make("smes", foreach=False)
    params, fast = make("smes", **way)
    drive(plain_params, plain, range(3))
    drive(params, fast, range(3))
    saved = copy.deepcopy(fast.state_dict())
    plain.load_state_dict(saved)
    assert [group["foreach"] for group in plain.param_groups] == [False, False]
    drive(plain_params, plain, range(3, 5))
    drive(params, fast, range(3, 5))
    torch.testing.assert_close(params, plain_params, rtol=1e-11, atol=1e-13)


@ways
def test_learning_rate_schedules_are_followed(way: dict[str, bool]) -> None:
    plain_params, plain = make("dualadam", foreach=False)
    params, fast = make("dualadam", **way)
    for changed, optimizer in ((plain_params, plain), (params, fast)):
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        for step in range(5):
            drive(changed, optimizer, range(step, step + 1))
            schedule.step()
    torch.testing.assert_close(params, plain_params, rtol=1e-11, atol=1e-13)


@ways
def test_state_is_as_large_as_adamws(way: dict[str, bool]) -> None:
    params, fast = make("ada2ms", **way)
    drive(params, fast, range(2))
    held = {
        value.untyped_storage().data_ptr(): value.untyped_storage().nbytes()
        for state in fast.state.values()
        for value in state.values()
        if torch.is_tensor(value)
    }
    elements = sum(p.numel() for p in params)
    pages = 4096 * 2 * len(params)  # where vectors begin may take a page each
    assert sum(held.values()) <= 2 * 8 * elements + pages


@needs_compiler
def test_autograd_knows_that_compiled_steps_write() -> None:
    params, fast = make("ada2ms", compile=True)
    before = [p._version for p in params]
    drive(params, fast, range(1))
    assert all(p._version > old for p, old in zip(params, before, strict=True))


def test_strided_parameters_are_taken_as_they_are() -> None:
    base = torch.arange(12.0, dtype=torch.float64).reshape(3, 4)
    strided = torch.nn.Parameter(base.clone().t())
    plain = torch.nn.Parameter(base.clone().t().contiguous())
    for p, options in ((strided, FEW), (plain, {"foreach": False})):
        optimizer = OPTIMIZERS["ada2ms"]([p], lr=0.1, **options)
        p.grad = torch.ones(4, 3, dtype=torch.float64)
        optimizer.step()
    torch.testing.assert_close(strided, plain, rtol=1e-15, atol=0)
