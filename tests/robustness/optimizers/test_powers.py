"""The power that compiled code takes, against float64; its operations are the same uncompiled."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustness.optimizers.fast.powers import LARGEST_EXPONENT, power32
from robustness.optimizers.rule import power, smallest

LARGEST = torch.finfo(torch.float32).max
exponents = st.floats(-LARGEST_EXPONENT, LARGEST_EXPONENT).filter(lambda p: p != 0)


@settings(deadline=None)
@given(x=st.floats(smallest(torch.float32), LARGEST, width=32), p=exponents)
def test_is_within_3e_7_of_float64(x: float, p: float) -> None:
    assert power32(torch.tensor([x]), p).item() == pytest.approx(x**p, rel=3e-7)


@pytest.mark.parametrize("p", [0.15, 0.35, -0.3, LARGEST_EXPONENT, -LARGEST_EXPONENT])
def test_is_within_3e_7_of_float64_over_the_whole_range(p: float) -> None:
    bits = torch.arange(0x00800000, 0x7F800000, 49_999, dtype=torch.int32)
    x = torch.cat([bits.view(torch.float32), torch.tensor([0.5, 2 / 3, 1.0, 4 / 3, LARGEST])])
    torch.testing.assert_close(power32(x, p).double(), x.double() ** p, rtol=3e-7, atol=0)


@pytest.mark.parametrize("p", [0.15, -0.3])
def test_zero_subnormal_and_non_finite_numbers_are_as_in_power(p: float) -> None:
    x = torch.tensor([0.0, 1e-40, math.inf, math.nan])
    torch.testing.assert_close(power32(x, p), power(x, p), rtol=1e-5, atol=0, equal_nan=True)
