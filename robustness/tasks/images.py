"""Preparation of images for a model: random augmentation, then standardization, a whole batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

AUGMENTATIONS = ("crop", "flip", "cutout")


@dataclass(frozen=True)
class Standardize:
    """Turns bytes into numbers with mean 0 and standard deviation 1 in each channel.

    Images stay bytes, with a quarter of the memory of floats, until they are in a batch.

    Attributes:
        mean: Shape ``[C, 1, 1]``, of byte values.
        deviation: Shape ``[C, 1, 1]``.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, images: Tensor, at_once: int = 1024) -> Standardize:
        """Return the standardization by ``images`` (bytes, ``[N, C, H, W]``), read in parts."""
        total = square = torch.zeros((), dtype=torch.float64)
        for part in images.split(at_once):
            values = part.to(torch.int64)
            total = total + values.sum((0, 2, 3)).double()
            square = square + (values * values).sum((0, 2, 3)).double()
        count = images.numel() / images.shape[1]
        mean = total / count
        deviation = (square / count - mean**2).clamp_min(0).sqrt()
        deviation = torch.where(deviation > 0, deviation, 1.0)  # a channel that is always the same becomes 0
        return cls(mean.float()[:, None, None], deviation.float()[:, None, None])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Standardize:
        """Return the same standardization for images on ``device``, with results of ``dtype``."""
        return replace(self, mean=self.mean.to(device, dtype), deviation=self.deviation.to(device, dtype))

    def __call__(self, images: Tensor) -> Tensor:
        """Return ``(images - mean) / deviation`` in the dtype of ``mean``."""
        return images.sub(self.mean).div_(self.deviation)


@dataclass(frozen=True)
class Augmentation:
    """Random changes of training images, drawn anew for every image of every batch.

    Attributes:
        crop: Whether to shift by up to an eighth of the side (4 pixels of 32) in each direction, with black at the
            edge: a random crop of the padded image, as in He et al. 2016 (https://arxiv.org/abs/1512.03385).
        flip: Whether to mirror half of the images.
        cutout: Whether to cover a square of half the side (16 pixels of 32), centred anywhere, with the mean
            colour, as in DeVries and Taylor 2017 (https://arxiv.org/abs/1708.04552).
    """

    crop: bool = False
    flip: bool = False
    cutout: bool = False

    @classmethod
    def named(cls, names: str | Sequence[str]) -> Augmentation | None:
        """Return the augmentation of ``names``, some of ``AUGMENTATIONS``; None if there are none.

        Raises:
            ValueError: If a name is not one of them.
        """
        names = [names] if isinstance(names, str) else list(names)
        for name in names:
            if name not in AUGMENTATIONS:
                raise ValueError(f"augment must be some of {', '.join(AUGMENTATIONS)}, but got {name!r}")
        return cls(**dict.fromkeys(names, True)) if names else None

    def draw(self, shape: tuple[int, ...], image: torch.Size, generator: torch.Generator) -> Tensor:
        """Return the draws that decide how ``shape`` images change, ``[*shape, 5]``: shifts, mirroring, the hole.

        All five are drawn whether used or not, so that each kind of change is the same with or without the others.

        Args:
            shape: Such as ``(steps, batch)``.
            image: ``[C, H, W]``.
            generator: On the CPU.
        """
        height, width = image[1:]
        bounds = (2 * (height // 8) + 1, 2 * (width // 8) + 1, 2, height, width)
        return torch.stack([torch.randint(bound, shape, generator=generator) for bound in bounds], -1).short()

    def __call__(self, images: Tensor, draws: Tensor, fill: Tensor) -> Tensor:
        """Return changed ``images``.

        Args:
            images: Bytes ``[B, C, H, W]``.
            draws: ``[B, 5]`` from ``draw``.
            fill: What covers the hole, ``[C, 1, 1]``.
        """
        height, width = images.shape[-2:]
        top, left, mirrored, row, column = (part[:, None] for part in draws.long().unbind(-1))
        rows = torch.arange(height, device=images.device).expand(len(images), -1)
        columns = torch.arange(width, device=images.device).expand(len(images), -1)
        if self.flip:
            columns = torch.where(mirrored == 1, width - 1 - columns, columns)
        if self.crop:
            pad_y, pad_x = height // 8, width // 8
            images = functional.pad(images, (pad_x, pad_x, pad_y, pad_y))
            rows, columns = rows + top, columns + left
        if self.crop or self.flip:
            batch = torch.arange(len(images), device=images.device)[:, None, None, None]
            channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
            images = images[batch, channels, rows[:, None, :, None], columns[:, None, None, :]]
        if not self.cutout:
            return images
        ys, xs = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
        hole_y = (ys - row >= -(height // 4)) & (ys - row < height // 4)
        hole_x = (xs - column >= -(width // 4)) & (xs - column < width // 4)
        hole = (hole_y[:, :, None] & hole_x[:, None, :])[:, None]
        return torch.where(hole, fill.round().to(images.dtype), images)
