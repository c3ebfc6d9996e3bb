"""Multinomial logistic regression on digits: convex, with a known optimum."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustness.tasks.digits import splits
from robustness.tasks.splits.tensors import Split
from robustness.tasks.task import Task

CLASSES = 10


class Logistic(nn.Module):
    """A linear layer of 64 inputs; its outputs are 10 logits and the penalty ``l2/2 |W|^2``, without the bias."""

    def __init__(self, l2: float) -> None:
        super().__init__()
        self.l2 = l2
        self.linear = nn.Linear(64, CLASSES)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return ``[N, 11]``."""
        logits = self.linear(inputs)
        penalty = self.l2 / 2 * self.linear.weight.square().sum()
        return torch.cat([logits, penalty.expand(len(logits), 1)], -1)


def optimum(train: Split, l2: float) -> tuple[Tensor, Tensor]:
    """Return the weights ``[10, 64]`` and the bias ``[10]`` of the least penalized loss, in float64.

    scikit-learn's ``LogisticRegression`` minimizes ``|W|^2/2 + C * sum of losses``, the same with
    ``C = 1 / (l2 N)``.
    """
    from sklearn.linear_model import LogisticRegression

    solver = LogisticRegression(C=1 / (l2 * len(train)), solver="newton-cholesky", tol=1e-12, max_iter=1000)
    solver.fit(train.inputs.double().numpy(), train.targets.numpy())
    return torch.as_tensor(solver.coef_), torch.as_tensor(solver.intercept_)


@cache
def least_loss(l2: float) -> float:
    """Return the least penalized training loss."""
    train = splits()[0]
    weights, bias = optimum(train, l2)
    logits = train.inputs.double() @ weights.T + bias
    return float(functional.cross_entropy(logits, train.targets) + l2 / 2 * weights.square().sum())


def digits_logistic(l2: float = 1e-3) -> Task:
    """Digits, logistic regression with an L2 penalty: convex; train_loss is the distance to the least loss.

    The loss is cross-entropy plus ``l2/2 |W|^2`` minus the least value that this has on the training split, as
    scikit-learn finds it. So ``train_loss``, in rows and curves, is the suboptimality: 0 at best, to
    float32's rounding of about 1e-7. Validation and test losses are shifted by the same constant. Without the
    penalty there would be no optimum, since the classes are separable.

    Args:
        l2: The penalty's weight. It is part of the loss; a study's weight decay is added to it, and moves the
            point that an optimizer converges to away from the optimum.
    """
    if not 0 < l2 < math.inf:
        raise ValueError(f"l2 must be positive and finite, but got {l2}")
    train, val, test = splits()
    least = least_loss(l2)

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        logits, penalty = outputs[..., :CLASSES], outputs[..., CLASSES]
        return functional.cross_entropy(logits, targets) + (penalty.mean() - least)

    def correct(outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs[..., :CLASSES].argmax(-1) == targets

    return Task("digits-logistic", train, val, test, lambda: Logistic(l2), loss=loss, correct=correct)
