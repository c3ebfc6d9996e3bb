"""scikit-learn's digits: 1,797 real 8x8 images of handwritten digits, available without a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import nn

from robustness.tasks.splits.tensors import Split
from robustness.tasks.storage import cache_home
from robustness.tasks.task import Task

PARTS = ("train", "val", "test")


@cache
def splits() -> tuple[Split, Split, Split]:
    """Return train, validation and test (60, 20, 20 %), stratified, standardized by the train split.

    One mean and one standard deviation serve all pixels: some pixels are constant in the train split. What
    scikit-learn gives is kept in the cache folder, since to import it takes longer than all else here.
    """
    path = cache_home() / "data" / f"digits-{metadata.version('scikit-learn')}.npz"
    try:
        with np.load(path) as kept:
            arrays = {name: kept[name] for name in kept.files}
    except (OSError, ValueError, EOFError, BadZipFile):  # not there, or damaged
        arrays = _arrays()
        _keep(path, arrays)
    train, val, test = (
        Split(torch.from_numpy(arrays[f"{part}_x"]), torch.from_numpy(arrays[f"{part}_y"])) for part in PARTS
    )
    return train, val, test


def _arrays() -> dict[str, np.ndarray]:
    """Return inputs ``[N, 64]`` in float32 and class numbers ``[N]`` of each split."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, digits = load_digits(return_X_y=True)
    rest_x, test_x, rest_y, test_y = train_test_split(
        images, digits, test_size=0.2, stratify=digits, random_state=0
    )
    train_x, val_x, train_y, val_y = train_test_split(
        rest_x, rest_y, test_size=0.25, stratify=rest_y, random_state=0
    )
    mean, deviation = train_x.mean(), train_x.std()
    arrays: dict[str, np.ndarray] = {}
    for part, x, y in zip(PARTS, (train_x, val_x, test_x), (train_y, val_y, test_y), strict=True):
        arrays |= {f"{part}_x": ((x - mean) / deviation).astype(np.float32), f"{part}_y": y.astype(np.int64)}
    return arrays


def _keep(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keep ``arrays`` in a file that is whole or not there; where nothing can be written, nothing is kept."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as file:  # a name would get another suffix
            np.savez(file, **arrays)  # type: ignore[arg-type]
        temporary.replace(path)


def mlp() -> nn.Module:
    """Return a ReLU network of 64, 128, 128 and 10 units: 26,122 parameters."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))


def cnn() -> nn.Module:
    """Return two 3x3 convolutions (16, 32 channels), each halved by max-pooling, and a linear layer."""
    return nn.Sequential(
        nn.Unflatten(-1, (1, 8, 8)),
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(-3),
        nn.Linear(128, 10),
    )


def _digits(name: str, model: Callable[[], nn.Module]) -> Task:
    train, val, test = splits()
    return Task(name=name, train=train, val=val, test=test, model=model)


def digits_mlp() -> Task:
    """Digits, a multilayer perceptron (64-128-128-10), cross-entropy."""
    return _digits("digits-mlp", mlp)


def digits_cnn() -> Task:
    """Digits, a small convolutional network (two 3x3 convolutions), cross-entropy."""
    return _digits("digits-cnn", cnn)
