"""What the steps of single models and of packs share: precision, which parameters decay, label smoothing."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from robustness.tasks import Task
from robustness.training.settings import Training


def autocast(device: str, training: Training) -> torch.autocast:
    """Return the context that models compute in."""
    # bfloat16 has float32's range: unlike float16 it needs no scaling of the loss, to be undone later
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=training.precision == "bf16", cache_enabled=False)


def check_loss(task: Task, training: Training) -> None:
    """Raise ValueError if ``training`` has label smoothing and the task's loss does not take it."""
    if training.label_smoothing and "label_smoothing" not in inspect.signature(task.loss).parameters:
        raise ValueError(f"label_smoothing: the loss of {task.name} takes no label_smoothing")


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
