"""A landscape with one sharp and one flat basin of known curvature, under gradient noise of known strength."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from robustness.tasks.splits.tensors import Split
from robustness.tasks.task import Task

EXCESS = 6.0
"""The loss at the start, in heights of the barrier, all of it from the coordinate across the valley."""


class Position(nn.Module):
    """A point ``(x, y)`` in the plane: ``x`` along the two basins, ``y`` across.

    An input is the noise of one example, ``[N, 2]``; an output is the position and the noise's part of the loss,
    ``[N, 3]``.
    """

    def __init__(self, start: tuple[float, float]) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(start))

    def forward(self, noise: Tensor) -> Tensor:
        """Return ``[N, 3]``."""
        position = self.at.expand(len(noise), 2)
        return torch.cat([position, noise @ self.at[:, None]], -1)


def basin_widths(ratio: float, barrier: float) -> tuple[float, float]:
    """Return the distance of the sharp and of the flat minimum from the barrier, ``sqrt(8 barrier / curvature)``."""
    return math.sqrt(8 * barrier / ratio), math.sqrt(8 * barrier)


def potential(x: Tensor, ratio: float, barrier: float) -> Tensor:
    """Return the loss along the basins, ``barrier (1 - u^2)^2`` with ``u`` the distance over the basin's width."""
    sharp, flat = basin_widths(ratio, barrier)
    u = torch.where(x < 0, x / sharp, x / flat)
    return barrier * (1 - u.square()).square()


def two_minima(ratio: float = 10.0, barrier: float = 1.0, noise: float = 10.0, examples: int = 1024) -> Task:
    """A sharp and a flat basin and gradient noise: accuracy 1 in the flat one, 0 in the sharp one it starts in.

    Along ``x`` the loss is ``barrier (1 - u^2)^2`` on either side of 0: two minima of loss 0, with curvature
    ``ratio`` on the left and 1 on the right, ``8 barrier = curvature * width^2``; at 0 between them a barrier with
    curvatures ``-ratio/2`` and ``-1/2``. Across, the loss is ``y^2/2`` everywhere. Every example adds
    ``noise * z``, with ``z`` a standard normal vector of its own, to the gradient; over all examples these sum to 0.
    Plain SGD with batches of ``b`` moves as at temperature ``T = lr noise^2 / (2b)``, if ``lr ratio`` is small and
    an epoch is long compared with relaxation, ``1 / (lr ratio)`` steps, because within an epoch no example is drawn
    twice. Its mean time to the flat basin is Kramers' (``escape_time``), whose logarithm grows by 1 when
    ``barrier / T`` does.

    A trial starts at the sharp minimum along ``x`` but up the valley's side across it, with a loss of 6 barriers, so
    that fluctuations are not taken for divergence. Each seed has its own noise. ``val_accuracy`` averaged over seeds
    is the share of runs that end in the flat basin; the first epoch with accuracy 1 is when a run escaped. Validation
    and test losses are the same, without noise.

    Args:
        ratio: The curvature of the sharp minimum over that of the flat one.
        barrier: The height of the barrier over either minimum.
        noise: The standard deviation of each component of one example's gradient.
        examples: Size of the training split; an epoch has ``examples / batch size`` steps.
    """
    for name, value in (("ratio", ratio), ("barrier", barrier)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name} must be positive and finite, but got {value}")
    if not 0 <= noise < math.inf:
        raise ValueError(f"noise must not be negative, but got {noise}")
    if examples < 2:
        raise ValueError(f"examples must be at least 2, but got {examples}")
    start = (-basin_widths(ratio, barrier)[0], math.sqrt(2 * EXCESS * barrier))

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        x, y, fluctuation = outputs[..., 0], outputs[..., 1], outputs[..., 2]
        return (potential(x, ratio, barrier) + y.square() / 2 + fluctuation).mean()

    def correct(outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs[..., 0] > 0

    return Task(
        "two-minima",
        train=_noise(examples, noise),
        val=_noise(1, 0.0),
        test=_noise(1, 0.0),
        model=lambda: Position(start),
        loss=loss,
        correct=correct,
        chance_accuracy=0.0,
    )


def escape_time(ratio: float, barrier: float, temperature: float) -> float:
    """Return Kramers' mean time from the sharp minimum to the flat one, in steps times lr.

    ``sqrt(2 pi / ratio) * (sqrt(2 pi / (ratio/2)) + sqrt(2 pi / (1/2))) / 2 * exp(barrier / T)``: the well's width,
    the width of the barrier, half of it on either side, and Arrhenius' factor; leading order in
    ``T / barrier`` (Kramers 1940; Xie et al. 2021, https://arxiv.org/abs/2002.03495, for SGD).
    """
    well = math.sqrt(2 * math.pi / ratio)
    top = (math.sqrt(4 * math.pi / ratio) + math.sqrt(4 * math.pi)) / 2
    return well * top * math.exp(barrier / temperature)


def _noise(examples: int, deviation: float) -> Split:
    """Return normal noise whose mean is 0 and whose mean square is ``deviation**2``, up to float32."""
    drawn = torch.randn(examples, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    drawn -= drawn.mean(0)
    root = drawn.square().mean(0).sqrt()
    inputs = drawn * (deviation / root) if examples > 1 else torch.zeros(examples, 2)
    return Split(inputs.float(), torch.zeros(examples, dtype=torch.int64))
