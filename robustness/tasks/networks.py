"""Small networks for images of any size and number of channels, and torchvision's with a stem for small images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

# Images of up to this side are small: a stem that shrinks them fourfold would leave too few pixels.
SMALL = 64


@dataclass(frozen=True)
class Images:
    """The images that a network is built for.

    Attributes:
        channels: 1 for grey, 3 for colour.
        size: Height and width in pixels.
        classes: The number of classes.
    """

    channels: int
    size: int
    classes: int


def mlp(images: Images, *, width: int = 128, depth: int = 2) -> nn.Module:
    """Multilayer perceptron of depth ReLU layers of width units."""
    layers: list[nn.Module] = [nn.Flatten(-3)]
    units = images.channels * images.size**2
    for _ in range(depth):
        layers += [nn.Linear(units, width), nn.ReLU()]
        units = width
    return nn.Sequential(*layers, nn.Linear(units, images.classes))


def cnn(images: Images, *, width: int = 16, depth: int = 2) -> nn.Module:
    """Convolutions of 3x3, width channels doubled each time, halved by pooling, and a linear layer."""
    layers: list[nn.Module] = []
    channels, side = images.channels, images.size
    for level in range(depth):
        layers += [nn.Conv2d(channels, width << level, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels, side = width << level, side // 2
    if side < 1:
        raise ValueError(
            f"depth must be at most {images.size.bit_length() - 1} for images of {images.size} pixels"
        )
    return nn.Sequential(*layers, nn.Flatten(-3), nn.Linear(channels * side**2, images.classes))


class _Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(before, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        same = stride == 1 and before == channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, channels, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.relu(self.layers(inputs) + self.shortcut(inputs))


def resnet8(images: Images, *, width: int = 16) -> nn.Module:
    """Residual network of a stem and three blocks of width, 2 and 4 times as many channels (He et al. 2016)."""
    return nn.Sequential(
        nn.Conv2d(images.channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        _Residual(width, width, 1),
        _Residual(width, 2 * width, 2),
        _Residual(2 * width, 4 * width, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(-3),
        nn.Linear(4 * width, images.classes),
    )


def _resnet(name: str, images: Images) -> nn.Module:
    """Return torchvision's ResNet; small images get a 3x3 stem without pooling, as is usual for CIFAR."""
    import torchvision

    model = torchvision.models.get_model(name, weights=None, num_classes=images.classes)
    if images.size <= SMALL:
        model.conv1 = nn.Conv2d(images.channels, 64, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
        model.maxpool = nn.Identity()
        return model
    return _of_colour(model, images)


def resnet18(images: Images) -> nn.Module:
    """torchvision's ResNet-18; images of up to 64 pixels get a 3x3 stem without pooling."""
    return _resnet("resnet18", images)


def resnet50(images: Images) -> nn.Module:
    """torchvision's ResNet-50; images of up to 64 pixels get a 3x3 stem without pooling."""
    return _resnet("resnet50", images)


def vgg16_bn(images: Images) -> nn.Module:
    """torchvision's VGG-16 with batch normalization; one linear layer after the mean over all positions."""
    import torchvision

    model = torchvision.models.vgg16_bn(weights=None, num_classes=images.classes)
    head = nn.Linear(512, images.classes)
    nn.init.normal_(head.weight, 0, 0.01)
    return _of_colour(nn.Sequential(model.features, nn.AdaptiveAvgPool2d(1), nn.Flatten(-3), head), images)


def _vit(images: Images, width: int, depth: int, heads: int, patch: int) -> nn.Module:
    import torchvision

    if images.size % patch:
        raise ValueError(f"images of {images.size} pixels cannot be cut into patches of {patch}")
    if width % heads:
        raise ValueError(f"width must be a multiple of {heads} (heads), but got {width}")
    model = torchvision.models.VisionTransformer(
        images.size, patch, depth, heads, width, 4 * width, num_classes=images.classes
    )
    return _of_colour(model, images)


def vit_tiny(images: Images, *, width: int = 192, depth: int = 12) -> nn.Module:
    """torchvision's vision transformer with patches of 4 pixels, 3 heads (DeiT-Ti's width and depth)."""
    return _vit(images, width, depth, heads=3, patch=4)


def vit_s4(images: Images) -> nn.Module:
    """torchvision's vision transformer with patches of 4 pixels, width 384, depth 8, 8 heads."""
    return _vit(images, 384, 8, heads=8, patch=4)


def convnext_tiny(images: Images) -> nn.Module:
    """torchvision's ConvNeXt-Tiny; images of up to 64 pixels get a 3x3 stem instead of patches."""
    import torchvision

    model = torchvision.models.convnext_tiny(weights=None, num_classes=images.classes)
    if images.size <= SMALL:
        stem = nn.Conv2d(3, 96, 3, padding=1)
        nn.init.trunc_normal_(stem.weight, std=0.02)
        assert stem.bias is not None
        nn.init.zeros_(stem.bias)
        model.features[0][0] = stem
    return _of_colour(model, images)


class _Colour(nn.Module):
    """Feeds grey images to a network for colour images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs.expand(*inputs.shape[:-3], 3, *inputs.shape[-2:]))


def _of_colour(network: nn.Module, images: Images) -> nn.Module:
    return network if images.channels == 3 else _Colour(network)


Network = Callable[..., nn.Module]

NETWORKS: dict[str, Network] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet8": resnet8,
    "resnet18": resnet18,
    "resnet50": resnet50,
    "vgg16-bn": vgg16_bn,
    "vit-tiny": vit_tiny,
    "vit-s4": vit_s4,
    "convnext-tiny": convnext_tiny,
}
"""Networks by name; any other name is one of ``torchvision.models``."""


def torchvision_names() -> list[str]:
    """Return the names of torchvision's classification models."""
    import torchvision

    return torchvision.models.list_models(module=torchvision.models)


def network(name: str) -> Network:
    """Return the function that builds the network ``name`` for ``Images``; its keyword arguments are options.

    Raises:
        ValueError: If neither this module nor torchvision has such a network.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if name not in torchvision_names():
        raise ValueError(
            f"must be one of {', '.join(NETWORKS)} or a name in torchvision.models, but got {name!r}"
        )
    return partial(_torchvision, name)


def _torchvision(name: str, images: Images, /) -> nn.Module:
    """Return torchvision's model, as it is."""
    import torchvision

    return _of_colour(torchvision.models.get_model(name, weights=None, num_classes=images.classes), images)


def made(name: str, images: Images, options: Mapping[str, Any]) -> Callable[[], nn.Module]:
    """Return a function that builds the network ``name``, after checking that it takes a batch of such images.

    Raises:
        ValueError: If an option is not valid, or the network does not fit such images.
    """
    for option, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{option} must be a positive integer, but got {value!r}")
    make = partial(network(name), images, **options)
    shape = (2, images.channels, images.size, images.size)
    try:
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            outputs = make()(torch.empty(shape))
        fits = isinstance(outputs, Tensor) and outputs.shape == (2, images.classes)
    except (RuntimeError, TypeError, AssertionError, ValueError) as error:
        raise ValueError(f"{name} does not take images of {shape[1:]}: {error}") from error
    if not fits:
        raise ValueError(f"{name} does not give one output for each class, as a task needs")
    return make
