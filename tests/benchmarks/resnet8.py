"""A user's own task, ``resnet8:task``: a ResNet-8 with batch normalization on random 32x32 images of 10 classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustness.tasks import Split, Task

IMAGES = 512


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        same = stride == 1 and channels_in == channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``relu(layers(inputs) + shortcut(inputs))``."""
        return torch.relu(self.layers(inputs) + self.shortcut(inputs))


def model() -> nn.Module:
    """Return a stem and three blocks of 16, 32 and 64 channels: 8 layers with weights, shortcuts left out."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        Block(16, 16, 1),
        Block(16, 32, 2),
        Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(-3),
        nn.Linear(64, 10),
    )


def task() -> Task:
    """Return the task; the images mean nothing, only their shape counts here."""
    generator = torch.Generator().manual_seed(0)

    def split() -> Split:
        inputs = torch.randn(IMAGES, 3, 32, 32, generator=generator)
        return Split(inputs, torch.randint(10, (IMAGES,), generator=generator))

    return Task(name="resnet8", train=split(), val=split(), test=split(), model=model)
