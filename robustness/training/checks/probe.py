"""One real backward of a single model: which parameters get gradients, and what else its forward changes."""

from __future__ import annotations

import torch
from torch import nn

from robustness.tasks import Task
from robustness.tasks.splits.generators import generators_kept
from robustness.training.checks.state import Snapshot
from robustness.training.steps import evaluating

# As many examples as batch normalization needs, and not many more: large models are probed too.
EXAMPLES = 8


def with_gradient(task: Task, model: nn.Module) -> set[str]:
    """Return the names of the parameters that the training loss of a batch gives a gradient, tied ones once.

    Args:
        task: With its data on the model's device and in its dtype.
        model: Left with its gradients, and with what the forward changes in it.

    Raises:
        ValueError: If the forward, in training or in evaluation, changes what is neither parameter nor buffer, or
            draws random numbers: then models of it cannot be trained as a pack.
    """
    before, after = _around_a_step(task, model)
    if (change := after.change(before)) is not None:
        raise ValueError(f"{change}, which a pack of models would share")
    return {name for name, parameter in model.named_parameters() if parameter.grad is not None}


def hidden_state(task: Task, model: nn.Module) -> str | None:
    """Return in words what the forward changes that is neither parameter, buffer nor random generator, or None.

    Args:
        task: As for ``with_gradient``.
        model: Likewise.
    """
    before, after = _around_a_step(task, model)
    return after.hidden_change(before)


def _around_a_step(task: Task, model: nn.Module) -> tuple[Snapshot, Snapshot]:
    """Return what is to be compared before and after a backward and an evaluation of a few training examples."""
    inputs, targets = task.train.first(EXAMPLES).whole()
    device = task.train.device
    with generators_kept(device), torch.enable_grad():
        before = Snapshot(model, task.loss, device)
        loss = task.loss(model(task.prepared(inputs)), targets)
        if loss.requires_grad:
            loss.sum().backward()
        with evaluating(model), torch.no_grad():
            task.loss(model(task.prepared(inputs)), targets)
        return before, Snapshot(model, task.loss, device)
