"""scikit-learn's digits: 1,797 real 8x8 images of handwritten digits, available without a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import nn

from robustness.tasks.splits.tensors import Split
from robustness.tasks.task import Task


@cache
def splits() -> tuple[Split, Split, Split]:
    """Return train, validation and test (60, 20, 20 %), stratified, standardized by the train split.

    One mean and one standard deviation serve all pixels: some pixels are constant in the train split.
    """
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

    def split(x: object, y: object) -> Split:
        inputs = (torch.as_tensor(x, dtype=torch.float64) - mean) / deviation
        return Split(inputs.float(), torch.as_tensor(y, dtype=torch.int64))

    return split(train_x, train_y), split(val_x, val_y), split(test_x, test_y)


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
