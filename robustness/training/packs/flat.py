"""K models of one architecture as a matrix ``[K, P]``: one model to a row, all its parameters in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from robustness.tasks import Task
from robustness.training.checks.probe import with_gradient
from robustness.training.graphs.library import OnTensors
from robustness.training.randomness import initialized_model
from robustness.training.steps import decayed, evaluating

Buffers: TypeAlias = dict[str, Tensor]


class FlatModels:
    """Computes with ``[K, P]`` parameters and ``[K, ...]`` buffers as K models would, one by one.

    A row holds the parameters that are trained, tied ones once. Those that are frozen, or get no gradient from the
    training loss, are constants: each model has its own, beside its buffers, and no step touches them.

    Args:
        task: Gives the model, its loss and its accuracy; its data are on the device that computes.
        dtype: Of the models' parameters.

    Attributes:
        sizes: Elements of each parameter tensor, in a row's order.
        decayed: Of each, whether it is one of the matrices to which weight decay may be confined.
        held: Names of the buffers and constants, in the order in which functions take them.
        written: Names of the buffers, in the order in which a training step returns them.

    Raises:
        ValueError: If the model has state that a pack would share, or nothing to train, or the data are no tensors.
    """

    def __init__(self, task: Task, dtype: torch.dtype) -> None:
        if not task.in_memory:
            raise ValueError(f"{task.name} has a DatasetSplit, but packs train on splits of tensors")
        self.task = task
        model = initialized_model(task, 0).to(task.train.device, dtype)
        moving = with_gradient(task, model)
        trained = {name: parameter for name, parameter in model.named_parameters() if name in moving}
        if not trained:
            raise ValueError("the training loss gives no parameter a gradient, so there is nothing to train")
        matrices = decayed(model)
        self.names = list(trained)
        self.shapes = [parameter.shape for parameter in trained.values()]
        self.sizes = [parameter.numel() for parameter in trained.values()]
        self.decayed = [id(parameter) in matrices for parameter in trained.values()]
        self.written = [name for name, _ in model.named_buffers()]
        self.held = [name for name in _tensors(model) if name not in trained]
        self.aliases = _aliases(model)
        self.model = model.to("meta")

    def matrix(self, models: Sequence[nn.Module]) -> tuple[Tensor, Buffers]:
        """Return the parameters ``[K, P]`` of ``models``, and their buffers and constants, each stacked."""
        rows = [self._row(model) for model in models]
        held = [_tensors(model) for model in models]
        return torch.stack(rows), {name: torch.stack([one[name] for one in held]) for name in self.held}

    def load(self, model: nn.Module, row: Tensor, buffers: Buffers) -> None:
        """Copy one row ``[P]``, and the buffers of one model, into ``model``."""
        held = _tensors(model)
        for name, value in {**self.parts(row), **buffers}.items():
            held[name].copy_(value)

    def _row(self, model: nn.Module) -> Tensor:
        """Return the trained parameters of one model, ``[P]``."""
        held = dict(model.named_parameters())
        if any(not held[name].requires_grad for name in self.names):
            raise ValueError(
                f"models of {self.task.name} freeze other parameters at one seed than at another"
            )
        return torch.cat([held[name].detach().reshape(-1) for name in self.names])

    def elements_decayed(self) -> Tensor:
        """Return, for each element of a row, whether it is of a matrix in ``decayed``, ``[P]``."""
        sizes = zip(self.sizes, self.decayed, strict=True)
        return torch.cat([torch.full((size,), does) for size, does in sizes]).to(self.task.train.device)

    def parts(self, row: Tensor) -> dict[str, Tensor]:
        """Return one row ``[P]`` cut into tensors of the parameters' shapes, by their names."""
        parts = zip(self.names, row.split(self.sizes), self.shapes, strict=True)
        return {name: part.view(shape) for name, part, shape in parts}

    def gradients(self, *, shared: bool, label_smoothing: float = 0.0) -> OnTensors:
        """Return the function ``(flat, inputs, targets, *held) -> (gradients, losses, *written)`` of a training step.

        Gradients are ``[K, P]``, losses ``[K]``. The batch is prepared for the model; nothing is written into.

        Args:
            shared: Whether there is one batch for all models, or one for each, ``[K, batch, ...]``.
            label_smoothing: Of the loss.
        """
        batch = None if shared else 0

        def loss(row: Tensor, held: Buffers, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Buffers]:
            written = {name: held[name].clone() for name in self.written}  # the model writes into them
            tensors = {**self.parts(row), **held, **written}
            value = self.task.training_loss(self._called(tensors, inputs), targets, label_smoothing)
            return value, {name: tensors[name] for name in self.written}

        step = vmap(grad_and_value(loss, has_aux=True), in_dims=(0, 0, batch, batch))

        def gradients(flat: Tensor, inputs: Tensor, targets: Tensor, *held: Tensor) -> tuple[Tensor, ...]:
            buffers = dict(zip(self.held, held, strict=True))
            gradient, (losses, written) = step(flat, buffers, inputs, targets)
            return (gradient, losses, *(written[name] for name in self.written))

        return gradients

    def evaluation(self) -> OnTensors:
        """Return the function ``(flat, inputs, targets, *held) -> (outputs, losses[, rights])`` of a batch.

        Outputs are ``[K, batch, ...]``, losses ``[K]`` means; rights ``[K]`` are sums of ``task.correct`` in float64,
        where the task has it. Models compute in evaluation mode.
        """
        task = self.task
        outputs_of = vmap(self._outputs, in_dims=(0, 0, None))

        def evaluation(flat: Tensor, inputs: Tensor, targets: Tensor, *held: Tensor) -> tuple[Tensor, ...]:
            with evaluating(self.model), torch.no_grad():
                outputs = outputs_of(flat, dict(zip(self.held, held, strict=True)), inputs)
            return (outputs, *judged(task, outputs, targets))

        return evaluation

    def _outputs(self, row: Tensor, held: Mapping[str, Tensor], inputs: Tensor) -> Any:
        return self._called({**self.parts(row), **held}, inputs)

    def _called(self, tensors: Buffers, inputs: Tensor) -> Any:
        """Return the model's outputs with ``tensors`` in it; buffers that it replaces are replaced there too."""
        for alias, name in self.aliases:
            tensors[alias] = tensors[name]
        return functional_call(self.model, tensors, (inputs,))


def judged(task: Task, outputs: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
    """Return the mean loss ``[K]`` of K models' outputs and, where the task has ``correct``, its sum ``[K]``."""
    losses = vmap(task.loss, in_dims=(0, None))(outputs, targets)
    if task.correct is None:
        return (losses,)
    return losses, vmap(task.correct, in_dims=(0, None))(outputs, targets).double().sum(-1)


def _tensors(model: nn.Module) -> Buffers:
    """Return parameters and buffers by name, without their history."""
    named = (*model.named_parameters(), *model.named_buffers())
    return {name: tensor.detach() for name, tensor in named}


def _aliases(model: nn.Module) -> list[tuple[str, str]]:
    """Return the further names of tied parameters and buffers, each with the name that stands for it."""
    names: dict[int, str] = {}
    named = (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    )
    pairs = [(name, names.setdefault(id(tensor), name)) for name, tensor in named]
    return [(alias, name) for alias, name in pairs if alias != name]
