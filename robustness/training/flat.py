"""K models of one shape as one matrix: a row a model, every parameter at its place in the row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from robustness.tasks import Split, Task

Buffers = dict[str, Tensor]


class FlatModels:
    """Computes with ``[K, P]`` parameters and ``[K, ...]`` buffers as K models would, one by one.

    Args:
        task: Gives loss and accuracy.
        model: Any one of the models; its own parameters are not used.
    """

    def __init__(self, task: Task, model: nn.Module) -> None:
        self.task = task
        self.model = model.to("meta")
        self.names = [name for name, _ in model.named_parameters()]
        self.shapes = [parameter.shape for parameter in model.parameters()]
        self.sizes = [parameter.numel() for parameter in model.parameters()]

    def matrix(self, models: Sequence[nn.Module]) -> tuple[Tensor, Buffers]:
        """Return the parameters ``[K, P]`` and the buffers, each stacked, of ``models``."""
        rows = [torch.cat([p.detach().reshape(-1) for p in model.parameters()]) for model in models]
        buffers = {
            name: torch.stack([model.get_buffer(name) for model in models])
            for name, _ in models[0].named_buffers()
        }
        return torch.stack(rows), buffers

    def _outputs(self, row: Tensor, buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        parts = row.split(self.sizes)
        parameters = {
            name: part.view(shape) for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }
        return functional_call(self.model, {**parameters, **buffers}, (inputs,))

    def _loss(self, row: Tensor, buffers: Buffers, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Buffers]:
        buffers = {name: buffer.clone() for name, buffer in buffers.items()}  # the model writes into them
        return self.task.loss(self._outputs(row, buffers, inputs), targets), buffers

    def gradients(
        self, flat: Tensor, buffers: Buffers, inputs: Tensor, targets: Tensor, *, shared: bool
    ) -> tuple[Tensor, Tensor, Buffers]:
        """Return gradients ``[K, P]``, losses ``[K]`` and new buffers of one training step.

        Args:
            flat: Parameters.
            buffers: Such as the running statistics of batch normalization; only read.
            inputs: One batch for all models, or a batch for each, ``[K, batch, ...]``.
            targets: Likewise.
            shared: Whether there is one batch for all.
        """
        batch = None if shared else 0
        step = vmap(grad_and_value(self._loss, has_aux=True), in_dims=(0, 0, batch, batch))
        gradient, (loss, buffers) = step(flat, buffers, inputs, targets)
        return gradient, loss, buffers

    def _measure(
        self, row: Tensor, buffers: Buffers, inputs: Tensor, targets: Tensor
    ) -> tuple[Tensor, Tensor]:
        outputs = self._outputs(row, buffers, inputs)
        right = self.task.correct(outputs, targets) if self.task.correct is not None else torch.zeros(())
        return self.task.loss(outputs, targets), right.double().mean()

    @torch.no_grad()
    def evaluate(self, flat: Tensor, buffers: Buffers, split: Split, batch: int) -> tuple[Tensor, Tensor]:
        """Return the mean loss and the accuracy of each model, ``[K]`` in float64, in evaluation mode."""
        self.model.eval()
        measure = vmap(self._measure, in_dims=(0, 0, None, None))
        loss = right = torch.zeros((), dtype=torch.float64)
        for start in range(0, len(split), batch):
            inputs, targets = split.inputs[start : start + batch], split.targets[start : start + batch]
            batch_loss, batch_right = measure(flat, buffers, inputs, targets)
            loss = loss + batch_loss.double() * len(targets)
            right = right + batch_right * len(targets)
        self.model.train()
        return loss / len(split), right / len(split)
