"""K models of one architecture as a matrix ``[K, P]``: one model to a row, all its parameters in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.utils._pytree import tree_map

from robustness.optimizers.fast.compiling import compiled, faster
from robustness.tasks import Task
from robustness.tasks.splits.examples import Examples
from robustness.training.checks.probe import with_gradient
from robustness.training.evaluation.tally import Evaluation, Tally, add_to_all
from robustness.training.randomness import initialized_model
from robustness.training.steps import decayed, evaluating

Buffers = dict[str, Tensor]

# Compiled code serves one number of models: this one, about as many small networks as a core's cache holds.
SLAB = 16
# The most bytes of outputs that are held at once for a metric of a whole split; those of one model are, however many.
MOST_COLLECTED = 2**27


class FlatModels:
    """Computes with ``[K, P]`` parameters and ``[K, ...]`` buffers as K models would, one by one.

    A row holds the parameters that are trained, tied ones once. Those that are frozen, or get no gradient from the
    training loss, are constants: each model has its own, beside its buffers, and no step touches them.

    Args:
        task: Gives the model, its loss and its accuracy; its data are on the device that computes.
        dtype: Of the models' parameters.
        compile: Whether to compile each computation for which that proves faster.

    Attributes:
        sizes: Elements of each parameter tensor, in a row's order.
        decayed: Of each, whether it is one of the matrices to which weight decay may be confined.

    Raises:
        ValueError: If the model has state that a pack would share, or nothing to train, or the data are no tensors.
    """

    def __init__(self, task: Task, dtype: torch.dtype, *, compile: bool = False) -> None:
        if not task.in_memory:
            raise ValueError(f"{task.name} has a DatasetSplit, but packs train on splits of tensors")
        self.task, self.compile = task, compile
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
        self.aliases = _aliases(model)
        self.model = model.to("meta")
        step = grad_and_value(self._loss, has_aux=True)
        self._eager: dict[str, Callable[..., Any]] = {
            "one batch": vmap(step, in_dims=(0, 0, None, None, None)),
            "own batches": vmap(step, in_dims=(0, 0, 0, 0, None)),
            "outputs": vmap(self._outputs, in_dims=(0, 0, None)),
        }
        self._compiled: dict[str, Callable[..., Any]] = {}

    def matrix(self, models: Sequence[nn.Module]) -> tuple[Tensor, Buffers]:
        """Return the parameters ``[K, P]`` of ``models``, and their buffers and constants, each stacked."""
        rows = [self._row(model) for model in models]
        held = [_tensors(model) for model in models]
        others = [name for name in held[0] if name not in self.names]
        return torch.stack(rows), {name: torch.stack([one[name] for one in held]) for name in others}

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
            buffers: Such as the running statistics of batch normalization, and the constants; only read.
            inputs: One prepared batch for all models, or a batch for each, ``[K, batch, ...]``.
            targets: Likewise.
            shared: Whether there is one batch for all.
            label_smoothing: Of the loss.
        """
        kind = "one batch" if shared else "own batches"
        gradient, (loss, written) = self._compute(kind, flat, buffers, inputs, targets, label_smoothing)
        return gradient, loss, {**buffers, **written}

    @torch.no_grad()
    def evaluate(self, flat: Tensor, buffers: Buffers, split: Examples, batch: int) -> list[Evaluation]:
        """Return what each model gives on ``split`` in evaluation mode.

        Every batch has ``batch`` examples, the last one padded with its own first examples: a compiled graph
        serves one size. Where the metric needs all outputs of the split, so many models are evaluated at once as
        keep these within ``MOST_COLLECTED`` bytes.
        """
        with evaluating(self.model):
            most = self._at_once(flat, buffers, split, batch)
            return [
                evaluation
                for start in range(0, len(flat), most)
                for evaluation in self._evaluated(
                    flat[start : start + most],
                    {name: buffer[start : start + most] for name, buffer in buffers.items()},
                    split,
                    batch,
                )
            ]

    def _at_once(self, flat: Tensor, buffers: Buffers, split: Examples, batch: int) -> int:
        """Return how many models are evaluated at once."""
        metric = self.task.metric
        if metric.source != "outputs" or metric.over == "examples":
            return len(flat)
        first = {name: buffer[:1] for name, buffer in buffers.items()}
        inputs, _ = split.first(batch).whole()
        outputs = self._compute("outputs", flat[:1], first, self.task.prepared(_padded(inputs, batch)))
        return max(1, MOST_COLLECTED * batch // (outputs.nbytes * len(split)))

    def _evaluated(self, flat: Tensor, buffers: Buffers, split: Examples, batch: int) -> list[Evaluation]:
        task = self.task
        loss = right = torch.zeros((), dtype=torch.float64)
        weights = 0.0
        tallies = [Tally(task.metric) for _ in range(len(flat))]
        for inputs, targets in split.batches(batch):
            inputs = task.prepared(_padded(inputs, batch))
            outputs = self._compute("outputs", flat, buffers, inputs)[:, : len(targets)]
            if weight := task.weight(targets):
                loss = loss + vmap(task.loss, in_dims=(0, None))(outputs, targets).double() * weight
                weights += weight
            if task.correct is not None:
                right = right + vmap(task.correct, in_dims=(0, None))(outputs, targets).double().sum(-1)
            add_to_all(tallies, outputs, targets)
        losses = (loss / weights).tolist()
        rights = [None] * len(flat)
        if task.correct is not None:
            rights = task.accuracy(right, len(split), weights).tolist()
        return [
            tally.result(mean, accuracy)
            for tally, mean, accuracy in zip(tallies, losses, rights, strict=True)
        ]

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
        return self._called({**self.parts(row), **buffers}, inputs)

    def _called(self, tensors: Buffers, inputs: Tensor) -> Tensor:
        """Return the model's outputs with ``tensors`` in it; buffers that it replaces are replaced there too."""
        for alias, name in self.aliases:
            tensors[alias] = tensors[name]
        return functional_call(self.model, tensors, (inputs,))

    def _loss(
        self, row: Tensor, buffers: Buffers, inputs: Tensor, targets: Tensor, label_smoothing: float
    ) -> tuple[Tensor, Buffers]:
        written = {name: buffers[name].clone() for name in self.written}  # the model writes into them
        tensors = {**self.parts(row), **buffers, **written}
        loss = self.task.training_loss(self._called(tensors, inputs), targets, label_smoothing)
        return loss, {name: tensors[name] for name in self.written}


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


def _padded(inputs: Tensor, batch: int) -> Tensor:
    """Return ``batch`` examples: those of ``inputs``, and again the first of them where they are fewer."""
    count = len(inputs)
    return inputs if count == batch else inputs[torch.arange(batch, device=inputs.device) % count]


def evaluation_batch(task: Task, most: int) -> int:
    """Return the batch of at most ``most`` examples that divides all splits of ``task`` with the least padding."""
    lengths = [len(split) for split in task.splits.values()]
    largest = min(most, max(lengths))
    return min(range(largest, largest // 2, -1), key=lambda size: sum(-length % size for length in lengths))
