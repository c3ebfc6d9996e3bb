"""Training packs: many trials of one task as matrices of models, one for each group of trials with one signature.

Models with random operations, whose control flow depends on values, or with state that is neither parameter nor
buffer cannot be packed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from robustness.tasks import Task
from robustness.training.checkpoints import Checkpoint
from robustness.training.packs.block import Block
from robustness.training.packs.columns import blocks, kind
from robustness.training.packs.context import PackContext
from robustness.training.results import TrialResult
from robustness.training.settings import TrialSettings


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
        self.context = PackContext(task, device=device, dtype=dtype, compile=compile)
        self.prepared: set[tuple[Any, ...]] = set()

    def blocks(self, trials: Sequence[TrialSettings]) -> list[list[int]]:
        """Return the indices of ``trials`` that are trained together: of one signature, and no more than serve."""
        return blocks(trials, self.context.most)

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
            block = Block(self.context, [trials[index] for index in indices])
            results |= dict(zip(indices, block.train(checkpoint), strict=True))
        return [results[index] for index in range(len(trials))]

    def prepare(self, trials: Sequence[TrialSettings]) -> None:
        """Have everything compiled that ``trials`` of one block need: a minute, perhaps, that is none of theirs."""
        if (library := self.context.library) is not None:
            needed = kind(trials)
            if needed not in self.prepared:
                self.prepared.add(needed)
                library.functions(list(Block(self.context, trials).wanted().values()))
