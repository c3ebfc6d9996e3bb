"""Training packs: many trials of one task as matrices of models, one for each group of trials with one signature.

Models with random operations, whose control flow depends on values, or with state that is neither parameter nor
buffer cannot be packed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from robustness.optimizers.fast.compiling import compiler_found
from robustness.tasks import Task
from robustness.training.checkpoints import Checkpoint
from robustness.training.graphs.identity import task_identity
from robustness.training.graphs.library import Library, Wanted
from robustness.training.packs.block import Block
from robustness.training.packs.columns import blocks, signature
from robustness.training.packs.evaluating import pack_examples
from robustness.training.packs.flat import FlatModels, OnTensors
from robustness.training.results import TrialResult
from robustness.training.settings import TrialSettings

# On a CPU a graph serves one number of models: this one, about as many small networks as a core's cache holds.
SLAB = 16


class PackTrainer:
    """Trains packs of one task; graphs compiled for one pack serve the next.

    Args:
        task: With data that all trials share.
        device: Where the models live.
        dtype: Of the models' parameters.
        compile: Whether to compile the computations of a step, where there is a compiler.
    """

    def __init__(
        self, task: Task, *, device: str = "cpu", dtype: torch.dtype = torch.float32, compile: bool = False
    ) -> None:
        self.task, self.device, self.dtype = task.to(device, dtype), device, dtype
        self.models = FlatModels(self.task, dtype)
        self.evaluation_batch = pack_examples(task)
        self.library: Library | None = None
        self.prepared: set[tuple[object, ...]] = set()
        if compile and compiler_found(device):
            self.library = Library(task_identity(self.task, device), device)

    def blocks(self, trials: Sequence[TrialSettings]) -> list[list[int]]:
        """Return the indices of ``trials`` that are trained together: of one signature, and no more than serve."""
        return blocks(trials, SLAB if self.library is not None and self.device == "cpu" else None)

    def train(
        self, trials: Sequence[TrialSettings], checkpoint: Checkpoint | None = None
    ) -> list[TrialResult]:
        """Train many trials at once; each gives what ``train`` gives for it, up to rounding.

        Trials of different optimizers are trained one block after the other.

        Args:
            trials: Their optimizers must have a rule (``robustness.optimizers.rule_of``).
            checkpoint: Where they are saved, and resumed from if they were saved before; only for trials that
                form a single block.

        Returns:
            The results in the order of ``trials``; ``wall_seconds`` is a trial's share of its block's time.
        """
        trials = [settings.completed() for settings in trials]
        results: dict[int, TrialResult] = {}
        for indices in self.blocks(trials):
            block = Block(self, [trials[index] for index in indices])
            results |= dict(zip(indices, block.train(checkpoint), strict=True))
        return [results[index] for index in range(len(trials))]

    def prepare(self, trials: Sequence[TrialSettings]) -> None:
        """Have everything compiled that ``trials`` of one block need: a minute, perhaps, that is none of theirs."""
        if self.library is not None:
            kind = (signature(trials[0]), len({settings.seed for settings in trials}) == 1)
            if kind not in self.prepared:
                self.prepared.add(kind)
                self.library.functions(list(Block(self, trials).wanted().values()))

    def functions(self, wanted: Mapping[str, Wanted]) -> dict[str, OnTensors]:
        """Return functions by name: compiled ones, or as they are."""
        if self.library is None:
            return {name: one.function for name, one in wanted.items()}
        return dict(zip(wanted, self.library.functions(list(wanted.values())), strict=True))

    def rows(self, count: int) -> int:
        """Return how many rows a matrix of ``count`` models has; further ones repeat the last."""
        if self.library is None:
            return count
        return SLAB if self.device == "cpu" else 1 << max(count - 1, 1).bit_length()
