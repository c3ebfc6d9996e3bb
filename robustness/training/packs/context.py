"""What all blocks of one task share: its data and models, and how functions of them are computed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from robustness.optimizers.fast.compiling import compiler_found
from robustness.tasks import Task
from robustness.tasks.splits.examples import Examples
from robustness.training.graphs.identity import task_identity, tells_all
from robustness.training.graphs.library import Library, OnTensors, Wanted
from robustness.training.packs.evaluating import pack_examples
from robustness.training.packs.flat import FlatModels
from robustness.training.settings import Training

# On a CPU a graph serves so many models: what small networks need for a step then stays in a core's cache.
SLAB = 4
# The most models that are trained side by side, slab after slab.
MOST_COMPILED = 16


class PackContext:
    """One task on one device, with what is compiled for it.

    Args:
        task: With data that all trials share.
        device: Where the models live.
        dtype: Of the models' parameters.
        compile: Whether to compile the computations of a step, where there is a compiler.

    Attributes:
        models: Compute with a matrix of models.
        evaluation_batch: Examples that all models are evaluated on at once.
        library: Compiled functions; None where nothing is compiled.
        told: Whether the task's identity says all of how it computes.
    """

    def __init__(
        self, task: Task, *, device: str = "cpu", dtype: torch.dtype = torch.float32, compile: bool = False
    ) -> None:
        self.task, self.device, self.dtype = task.to(device, dtype), device, dtype
        self.models = FlatModels(self.task, dtype)
        self.evaluation_batch = pack_examples(task)
        self.library: Library | None = None
        self.told = False
        if compile and compiler_found(device):
            self.library = Library(task_identity(self.task, device), device)
            self.told = tells_all(self.task)

    def functions(self, wanted: Mapping[str, Wanted]) -> dict[str, OnTensors]:
        """Return functions by name: compiled ones, or as they are."""
        if self.library is None:
            return {name: one.function for name, one in wanted.items()}
        return dict(zip(wanted, self.library.functions(list(wanted.values())), strict=True))

    def first_batch(self, split: Examples, size: int) -> tuple[Tensor, ...]:
        """Return the first examples of a split as the model takes them, and their targets."""
        inputs, targets = split.first(size).whole()
        return self.task.prepared(inputs).contiguous(), targets.contiguous()

    def tolerance(self, training: Training) -> float:
        """Return how far a graph may be from its function: rounding, and no more."""
        if training.precision == "bf16":
            return 0.1
        return 1e-9 if self.dtype == torch.float64 else 1e-4

    @property
    def most(self) -> int | None:
        """How many models a block has at most; None: as many as it is given."""
        return MOST_COMPILED if self.library is not None and self.device == "cpu" else None

    def rows(self, count: int) -> int:
        """Return how many rows a matrix of ``count`` models has; further ones repeat the last."""
        if self.library is None:
            return count
        return -(-count // SLAB) * SLAB if self.device == "cpu" else 1 << max(count - 1, 1).bit_length()

    def slabs(self, rows: int) -> list[slice]:
        """Return the rows that are computed at once, one slice after the other."""
        size = SLAB if self.most is not None else max(rows, 1)
        return [slice(start, start + size) for start in range(0, rows, size)]
