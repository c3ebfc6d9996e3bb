"""Tasks ``<data>/<network>``: images from the cache, a network built for them, cross-entropy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from robustness.tasks.downloads import downloaded
from robustness.tasks.folder import image_folder
from robustness.tasks.images import Augmentation, Standardize
from robustness.tasks.networks import Images, made, network
from robustness.tasks.storage import Stored
from robustness.tasks.task import Task, cross_entropy

DATASETS: dict[str, tuple[Callable[..., Stored], str]] = {
    "cifar10": (
        partial(downloaded, "cifar10"),
        "60,000 colour images of 32 pixels, 10 classes (Krizhevsky 2009)",
    ),
    "cifar100": (
        partial(downloaded, "cifar100"),
        "60,000 colour images of 32 pixels, 100 classes (Krizhevsky 2009)",
    ),
    "fashion-mnist": (
        partial(downloaded, "fashion-mnist"),
        "70,000 grey images of clothes of 28 pixels, 10 classes (Xiao et al. 2017)",
    ),
    "mnist": (
        partial(downloaded, "mnist"),
        "70,000 grey digits of 28 pixels, 10 classes (LeCun et al. 1998)",
    ),
    "svhn": (
        partial(downloaded, "svhn"),
        "99,289 colour images of house numbers of 32 pixels, 10 classes (Netzer et al. 2011)",
    ),
    "image-folder": (image_folder, "your own images: root/train/<class>/ and root/test/<class>/"),
}
"""Image data by name: how to get them, and a description."""

# The option that says where the data are stored; their content is part of a task's version.
FOLDER = "root"


def vision_task(
    data: str,
    model: str,
    /,
    *,
    validation: float = 0.1,
    train_size: int | None = None,
    test_size: int | None = None,
    augment: str | tuple[str, ...] = (),
    **options: Any,
) -> Task:
    """Return the task ``data/model``.

    Args:
        data: A key of ``DATASETS``.
        model: A key of ``NETWORKS`` or a name in ``torchvision.models``.
        validation: The fraction of the training images that hyperparameters are selected on; fixed, stratified.
        train_size: The number of the others to train on, stratified; by default all.
        test_size: The number of the test images to test on, stratified; by default all.
        augment: Some of ``crop``, ``flip`` and ``cutout``, for training images.
        **options: Options of the data and the network.

    Raises:
        ValueError: If an option is not valid, or the data are not available.
    """
    augmentation = Augmentation.named(augment)
    if isinstance(validation, bool) or not isinstance(validation, float) or not 0 < validation < 1:
        raise ValueError(f"validation must be a fraction between 0 and 1, but got {validation!r}")
    load = DATASETS[data][0]
    stored = load(**{name: options.pop(name) for name in _parameters(load) if name in options})
    count = stored.count("train")
    kept = count - max(1, round(validation * count))
    train_size = _size("train_size", train_size, kept)
    test_size = _size("test_size", test_size, stored.count("test"))
    train, val = stored.split("train", 0, train_size), stored.split("train", kept, count)
    channels, side = train.inputs.shape[1:3]
    images = Images(channels, side, len(stored.classes))
    return Task(
        name=f"{data}/{model}",
        train=train,
        val=val,
        test=stored.split("test", 0, test_size),
        model=made(model, images, options),
        loss=cross_entropy,
        version=f"1-{stored.key}",
        prepare=Standardize.of(train.inputs),
        augment=augmentation,
        places=(FOLDER,),
    )


def _size(name: str, size: int | None, most: int) -> int:
    """Return how many of ``most`` examples to take.

    Raises:
        ValueError: If there are fewer, or ``size`` is no positive integer.
    """
    size = most if size is None else size
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= most:
        raise ValueError(f"{name} must be an integer from 1 to {most}, but got {size!r}")
    return size


def combined(data: str, model: str) -> Callable[..., Task]:
    """Return the function that makes the task ``data/model``; its signature names the options of both.

    Raises:
        ValueError: If there is no such network.
    """
    shared = [p for p in _parameters(vision_task).values() if p.kind is p.KEYWORD_ONLY]
    own = [*_parameters(DATASETS[data][0]).values(), *list(_parameters(network(model)).values())[1:]]
    make = partial(vision_task, data, model)
    keyword = [p.replace(kind=p.KEYWORD_ONLY) for p in own]
    make.__signature__ = inspect.Signature([*keyword, *shared])  # type: ignore[attr-defined]
    return make


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters
