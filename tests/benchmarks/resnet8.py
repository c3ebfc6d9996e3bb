"""A user's own task, ``resnet8:task``: the project's ResNet-8 on random 32x32 images of 10 classes."""

from __future__ import annotations

from functools import partial

import torch

from robustness.tasks import Split, Task
from robustness.tasks.networks import Images, resnet8

IMAGES = 512


def task() -> Task:
    """Return the task; its images are noise, since only their shape counts here."""
    generator = torch.Generator().manual_seed(0)

    def split() -> Split:
        inputs = torch.randn(IMAGES, 3, 32, 32, generator=generator)
        return Split(inputs, torch.randint(10, (IMAGES,), generator=generator))

    model = partial(resnet8, Images(channels=3, size=32, classes=10))
    return Task(name="resnet8", train=split(), val=split(), test=split(), model=model)
