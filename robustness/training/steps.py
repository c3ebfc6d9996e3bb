"""What single models and packs share: precision, what is trained, what decays, label smoothing, evaluation mode."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from robustness.optimizers import build
from robustness.tasks import Task
from robustness.training.settings import Training, TrialSettings


def autocast(device: str, training: Training) -> torch.autocast:
    """Return the context that models compute in."""
    # bfloat16 has float32's range: unlike float16 it needs no scaling of the loss, to be undone later
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=training.precision == "bf16", cache_enabled=False)


def check_loss(task: Task, training: Training) -> None:
    """Raise ValueError if ``training`` has label smoothing and the task's loss does not take it."""
    if training.label_smoothing and "label_smoothing" not in inspect.signature(task.loss).parameters:
        raise ValueError(f"label_smoothing: the loss of {task.name} takes no label_smoothing")


def trained(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that an optimizer holds: all but the frozen ones, tied ones once."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def decayed(model: nn.Module) -> set[int]:
    """Return the ``id`` of each parameter that is a matrix: weights of two dimensions or more, embeddings left out.

    Biases, weights of normalization, positions and class tokens are not among them.
    """
    return {
        id(parameter)
        for module in model.modules()
        if not isinstance(module, nn.Embedding | nn.EmbeddingBag)
        for name, parameter in module.named_parameters(recurse=False)
        if "weight" in name and parameter.dim() >= 2
    }


def optimizer_of(model: nn.Module, settings: TrialSettings) -> torch.optim.Optimizer:
    """Build the optimizer of a trial on the trained parameters of its model.

    Raises:
        ValueError: If there is nothing to train, or an optimizer or a hyperparameter is not valid.
        TypeError: If the optimizer takes no such hyperparameter.
    """
    parameters = trained(model)
    if not parameters:
        raise ValueError("the model has no parameter with requires_grad, so there is nothing to train")
    groups: list[dict[str, Any]] = [{"params": parameters}]
    if settings.training.decay == "matrices":
        matrices = decayed(model)
        groups = [
            {"params": [p for p in parameters if id(p) in matrices]},
            {"params": [p for p in parameters if id(p) not in matrices], "weight_decay": 0.0},
        ]
    groups = [group for group in groups if group["params"]]
    optimizer = build(settings.optimizer, groups, **settings.hyperparameters)
    if "fused" in optimizer.defaults:  # torch's own classes: their fastest form
        for group in optimizer.param_groups:
            group["fused"] = True
    return optimizer


def suit_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Before the first step, take the plain form of torch's classes where the fused one cannot follow.

    Fused SGD has momentum for all parameters or for none, and fused forms take no sparse gradients.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if any(parameter.grad is None or parameter.grad.is_sparse for parameter in parameters):
        for group in optimizer.param_groups:
            if group.get("fused"):
                group["fused"] = False


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and each of its modules back into the mode that it was in.

    A module that a user has put into evaluation mode for good, such as a frozen batch normalization, stays in it.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
