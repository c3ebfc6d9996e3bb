"""What single models and packs share: precision, what is trained, what decays, label smoothing, evaluation mode."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from robustness.optimizers import build, signature
from robustness.optimizers.foreign.closures import needs_closure
from robustness.tasks import Task
from robustness.training.settings import Training, TrialSettings
from robustness.user_code.names import is_own


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
    if settings.training.decay == "matrices" and signature(settings.optimizer).decays:
        matrices = decayed(model)
        groups = [
            {"params": [p for p in parameters if id(p) in matrices]},
            {"params": [p for p in parameters if id(p) not in matrices], "weight_decay": 0.0},
        ]
    return optimizer_on(groups, settings)


def optimizer_on(groups: list[dict[str, Any]], settings: TrialSettings) -> torch.optim.Optimizer:
    """Build the optimizer of a trial on groups of parameters, of which empty ones are left out.

    Raises:
        ValueError: If there is nothing to train, or an optimizer or a hyperparameter is not valid.
        TypeError: If the optimizer takes no such hyperparameter.
    """
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ValueError("there is no parameter with requires_grad, so there is nothing to train")
    optimizer = build(settings.optimizer, groups, **settings.hyperparameters)
    if (
        not is_own(settings.optimizer) and "fused" in optimizer.defaults
    ):  # torch's classes: their fastest form
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


@contextmanager
def at_judged_weights(optimizer: Any) -> Iterator[None]:
    """Put an optimizer that has modes into evaluation mode, and back into training mode.

    Such an optimizer trains at other weights than those it is to be judged by: Schedule-Free (Defazio et al. 2024,
    https://arxiv.org/abs/2405.15682) evaluates gradients between its average and its fast iterate.
    """
    if not has_modes(optimizer):
        yield
        return
    optimizer.eval()
    try:
        yield
    finally:
        optimizer.train()


def begin_training(optimizer: Any) -> None:
    """Put an optimizer that has modes into training mode."""
    if has_modes(optimizer):
        optimizer.train()


def has_modes(optimizer: Any) -> bool:
    """Return whether an optimizer trains at other weights than those it is to be judged by."""
    return all(callable(getattr(optimizer, mode, None)) for mode in ("train", "eval"))


class Stepper:
    """Takes the steps of one trial on its model.

    Args:
        task: What is trained.
        model: The model.
        settings: The trial's.
        context: What models compute in, as ``autocast`` returns it.

    Attributes:
        parameters: Those that are trained.
        optimizer: The trial's.
        closed: Whether the optimizer needs a closure.

    Raises:
        ValueError: As ``optimizer_of``.
        TypeError: As ``optimizer_of``.
    """

    def __init__(
        self, task: Task, model: nn.Module, settings: TrialSettings, context: torch.autocast
    ) -> None:
        self.task, self.model, self.settings, self.context = task, model, settings, context
        self.parameters = trained(model)
        self.optimizer: Any = optimizer_of(model, settings)
        begin_training(self.optimizer)
        self.closed = needs_closure(settings.optimizer, settings.hyperparameters)

    def gradients(self, inputs: Any, targets: Tensor) -> Tensor:
        """Compute the gradient of a batch, prepared for the model, scaled and clipped; return the loss."""
        training = self.settings.training
        self.optimizer.zero_grad()
        with self.context:
            loss = self.task.training_loss(self.model(inputs), targets, training.label_smoothing)
        loss.backward()
        if self.settings.grad_scale != 1:
            # the gradient is scaled, not the loss: the loss that is recorded keeps its meaning
            held = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
            torch._foreach_mul_(held, self.settings.grad_scale)
        if training.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, training.clip_norm)
        return loss

    def step(self, inputs: Any, targets: Tensor) -> None:
        """Take a step by the gradients that the parameters hold.

        An optimizer that needs a closure evaluates the same batch as often as it likes, by ``gradients``. What it is
        told is the loss times the gradient scale: that is what the scaled gradient is the gradient of.
        """
        if self.closed:
            self.optimizer.step(lambda: self.settings.grad_scale * self.gradients(inputs, targets))
        else:
            self.optimizer.step()
