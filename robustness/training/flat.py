"""K models of one architecture as a matrix ``[K, P]``: one model to a row, all its parameters in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.utils._pytree import tree_map

from robustness.optimizers.fast.compiling import compiled, faster
from robustness.tasks import Split, Task
from robustness.training.steps import decayed

Buffers = dict[str, Tensor]

# Compiled code serves one number of models: this one, about as many small networks as a core's cache holds.
SLAB = 16


class FlatModels:
    """Computes with ``[K, P]`` parameters and ``[K, ...]`` buffers as K models would, one by one.

    Args:
        task: Gives the model, its loss and its accuracy.
        compile: Whether to compile each computation for which that proves faster.

    Attributes:
        sizes: Elements of each parameter tensor, in a row's order.
        decayed: Of each, whether it is one of the matrices to which weight decay may be confined.
    """

    def __init__(self, task: Task, *, compile: bool = False) -> None:
        self.task, self.compile = task, compile
        with torch.random.fork_rng(devices=[]):
            self.model = task.model().to("meta")
        self.names = [name for name, _ in self.model.named_parameters()]
        self.shapes = [parameter.shape for parameter in self.model.parameters()]
        self.sizes = [parameter.numel() for parameter in self.model.parameters()]
        matrices = decayed(self.model)
        self.decayed = [id(parameter) in matrices for parameter in self.model.parameters()]
        step = grad_and_value(self._loss, has_aux=True)
        self._eager: dict[str, Callable[..., Any]] = {
            "one batch": vmap(step, in_dims=(0, 0, None, None, None)),
            "own batches": vmap(step, in_dims=(0, 0, 0, 0, None)),
            "outputs": vmap(self._outputs, in_dims=(0, 0, None)),
        }
        self._compiled: dict[str, Callable[..., Any]] = {}

    def matrix(self, models: Sequence[nn.Module]) -> tuple[Tensor, Buffers]:
        """Return the parameters ``[K, P]`` and the buffers, each stacked, of ``models``."""
        rows = [torch.cat([p.detach().reshape(-1) for p in model.parameters()]) for model in models]
        buffers = {
            name: torch.stack([model.get_buffer(name) for model in models])
            for name, _ in models[0].named_buffers()
        }
        return torch.stack(rows), buffers

    def parts(self, row: Tensor) -> dict[str, Tensor]:
        """Return one row ``[P]`` cut into tensors of the parameters' shapes, by their names."""
        parts = zip(self.names, row.split(self.sizes), self.shapes, strict=True)
        return {name: part.view(shape) for name, part, shape in parts}

    def gradients(
        self,
        flat: Tensor,
        buffers: Buffers,
        inputs: Tensor,
        targets: Tensor,
        *,
        shared: bool,
        label_smoothing: float = 0.0,
    ) -> tuple[Tensor, Tensor, Buffers]:
        """Return gradients ``[K, P]``, losses ``[K]`` and new buffers of one training step.

        Args:
            flat: Parameters.
            buffers: Such as the running statistics of batch normalization; only read.
            inputs: One prepared batch for all models, or a batch for each, ``[K, batch, ...]``.
            targets: Likewise.
            shared: Whether there is one batch for all.
            label_smoothing: Of the loss.
        """
        kind = "one batch" if shared else "own batches"
        gradient, (loss, buffers) = self._compute(kind, flat, buffers, inputs, targets, label_smoothing)
        return gradient, loss, buffers

    @torch.no_grad()
    def evaluate(self, flat: Tensor, buffers: Buffers, split: Split, batch: int) -> tuple[Tensor, Tensor]:
        """Return the mean loss and the accuracy of each model, ``[K]`` in float64, in evaluation mode.

        Every batch has ``batch`` examples, the last one padded with its own first examples: a compiled graph
        serves one size.
        """
        self.model.eval()
        loss = right = torch.zeros((), dtype=torch.float64)
        for start in range(0, len(split), batch):
            inputs, targets = split.inputs[start : start + batch], split.targets[start : start + batch]
            count = len(targets)
            if count < batch:
                inputs = inputs[torch.arange(batch, device=inputs.device) % count]
            outputs = self._compute("outputs", flat, buffers, self.task.prepared(inputs))[:, :count]
            loss = loss + vmap(self.task.loss, in_dims=(0, None))(outputs, targets).double() * count
            if self.task.correct is not None:
                right = right + vmap(self.task.correct, in_dims=(0, None))(outputs, targets).double().sum(-1)
        self.model.train()
        return loss / len(split), right / len(split)

    def _compute(self, kind: str, flat: Tensor, buffers: Buffers, *batch: Tensor | float) -> Any:
        """Compute eagerly for all models at once, or compiled for ``SLAB`` of them at a time."""
        if not self.compile:
            return self._eager[kind](flat, buffers, *batch)
        slabs = []
        for start in range(0, len(flat), SLAB):
            rows: slice | Tensor = slice(start, start + SLAB)
            if start + SLAB > len(flat):  # padded with the last row
                rows = torch.arange(start, start + SLAB, device=flat.device).clamp_max(len(flat) - 1)
            each = kind == "own batches"
            own = [part[rows] if each and isinstance(part, Tensor) else part for part in batch]
            slab = (flat[rows], {name: buffer[rows] for name, buffer in buffers.items()}, *own)
            slabs.append(self._fastest(kind, slab)(*slab))
        if len(flat) == SLAB:
            return slabs[0]
        return tree_map(lambda *parts: torch.cat(parts)[: len(flat)], *slabs)

    def _fastest(self, kind: str, slab: tuple[Any, ...]) -> Callable[..., Any]:
        """Return the compiled function, or the eager one if that is faster, as timed at the first use."""
        if kind not in self._compiled:
            eager = self._eager[kind]
            self._compiled[kind] = faster(eager, compiled(eager, dynamic=False), slab[0].device.type, *slab)
        return self._compiled[kind]

    def _outputs(self, row: Tensor, buffers: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        return functional_call(self.model, {**self.parts(row), **buffers}, (inputs,))

    def _loss(
        self, row: Tensor, buffers: Buffers, inputs: Tensor, targets: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Buffers]:
        buffers = {name: buffer.clone() for name, buffer in buffers.items()}  # the model writes into them
        outputs = self._outputs(row, buffers, inputs)
        return self.task.training_loss(outputs, targets, label_smoothing), buffers


def evaluation_batch(task: Task, most: int) -> int:
    """Return the batch of at most ``most`` examples that divides all splits of ``task`` with the least padding."""
    lengths = [len(split) for split in task.splits.values()]
    largest = min(most, max(lengths))
    return min(range(largest, largest // 2, -1), key=lambda size: sum(-length % size for length in lengths))
