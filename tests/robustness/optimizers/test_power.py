import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustness.optimizers.rule import power, smallest

SPECIAL = [0, 0.0, 1, *(sign * eighths / 8 for eighths in range(1, 9) for sign in (1, -1))]
exponents = st.one_of(st.sampled_from(SPECIAL), st.floats(-3, 3))
normal = st.floats(1e-100, 1e100)


@settings(deadline=None)
@given(x=normal, p=exponents)
def test_power_equals_pythons(x: float, p: float) -> None:
    expected = pytest.approx(x**p, rel=1e-12)
    assert power(torch.tensor([x], dtype=torch.float64), p).item() == expected
    assert (
        power(torch.tensor([x], dtype=torch.float64), torch.tensor(p, dtype=torch.float64)).item() == expected
    )


@settings(deadline=None)
@given(p=exponents, dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]))
def test_zero_is_never_nan_and_zero_times_its_power_is_zero(p: float, dtype: torch.dtype) -> None:
    for exponent in (p, torch.tensor(p, dtype=torch.float64)):
        result = power(torch.zeros(2, dtype=dtype), exponent)
        assert result.dtype == dtype
        assert result.isfinite().all()
        assert (torch.zeros(2, dtype=dtype) * result == 0).all()


def test_zero_to_the_zero_is_one() -> None:
    assert power(torch.zeros(3), 0).tolist() == [1, 1, 1]
    assert power(torch.zeros(3), 0.0).tolist() == [1, 1, 1]
    assert power(torch.zeros(3), torch.zeros(())).tolist() == [1, 1, 1]


def test_exponents_broadcast_against_rows() -> None:
    x = torch.tensor([[4.0, 9.0], [4.0, 16.0], [2.0, 7.0]], dtype=torch.float64)
    p = torch.tensor([[0.5], [-0.5], [0.0]], dtype=torch.float64)
    expected = torch.tensor([[2.0, 3.0], [0.5, 0.25], [1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(power(x, p), expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("p", [0, 1.0, 0.5, 0.3, -0.5, torch.tensor(0.3)])
def test_argument_is_left_alone_and_result_is_new(p: float) -> None:
    x = torch.tensor([0.0, 2.0])
    power(x, p).fill_(7.0)
    assert x.tolist() == [0.0, 2.0]


def test_smallest_is_positive_in_every_dtype() -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        assert torch.tensor(smallest(dtype), dtype=dtype) > 0
    assert math.isclose(smallest(torch.float32), 2.0**-126)
