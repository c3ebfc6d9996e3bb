"""What the optimizer tests share: small models with gradients that are given rather than computed."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

SHAPES = ((3, 4), (5,), (2, 1, 3), ())


@pytest.fixture
def parameters() -> Callable[..., list[Tensor]]:
    """Make the same parameters at every call: tensors of several shapes, 24 elements."""

    def make(dtype: torch.dtype = torch.float64) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        draws = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
        return [torch.nn.Parameter(draw.to(dtype)) for draw in draws]

    return make


@pytest.fixture
def drive() -> Callable[..., None]:
    """Take steps with a fixed sequence of gradients, multiplied by ``scale``."""

    def run(optimizer: torch.optim.Optimizer, steps: range = range(50), scale: float = 1.0) -> None:
        params = [p for group in optimizer.param_groups for p in group["params"]]
        for step in steps:
            generator = torch.Generator().manual_seed(1000 + step)
            for p in params:
                draw = torch.randn(p.shape, generator=generator, dtype=torch.float64)
                p.grad = (scale * (draw + 0.1)).to(p.dtype)
            optimizer.step()

    return run
