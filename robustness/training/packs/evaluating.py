"""All models of a pack on a split: so many examples at once that what all models compute stays in the cache."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from robustness.tasks import Task
from robustness.tasks.splits.examples import Examples
from robustness.training.evaluation.tally import Evaluation, Tally, add_to_all
from robustness.training.graphs.library import OnTensors, in_a_row
from robustness.training.packs.flat import FlatModels, judged
from robustness.training.trial import FEWEST_EVALUATED

# The most predictions of each model at once, so that the outputs of all models of a pack stay in the cache.
EVALUATED_PREDICTIONS = 128
# The most bytes of outputs that are held at once for a metric of a whole split; those of one model are, however many.
MOST_COLLECTED = 2**27


def pack_examples(task: Task) -> int:
    """Return how many examples all models of a pack are evaluated on at once."""
    return evaluation_batch(task, max(FEWEST_EVALUATED, EVALUATED_PREDICTIONS // task.predictions))


def evaluation_batch(task: Task, most: int) -> int:
    """Return the batch of at most ``most`` examples that divides all splits of ``task`` with the least padding."""
    lengths = [len(split) for split in task.splits.values()]
    largest = min(most, max(lengths))
    return min(range(largest, largest // 2, -1), key=lambda size: sum(-length % size for length in lengths))


def slab_by_slab(function: OnTensors, slabs: Sequence[slice]) -> OnTensors:
    """Return ``function`` of all models as that of the models of each slab in turn.

    Args:
        function: ``(flat, inputs, targets, *held)`` of some models.
        slabs: The rows of each slab.
    """
    if len(slabs) == 1:
        return function

    def whole(flat: Tensor, inputs: Tensor, targets: Tensor, *held: Tensor) -> tuple[Tensor, ...]:
        own = [(flat[rows], inputs, targets, *(one[rows] for one in held)) for rows in slabs]
        parts = in_a_row(function, own)
        return tuple(torch.cat(same) for same in zip(*parts, strict=True))

    return whole


class PackEvaluator:
    """Evaluates the models of a pack.

    Args:
        models: Of the pack.
        function: What ``models.evaluation()`` returns, or a graph compiled from it, which takes batches of one size.
        compiled: Whether it is a graph.
    """

    def __init__(self, models: FlatModels, function: OnTensors, *, compiled: bool) -> None:
        self.models, self.task, self.function, self.compiled = models, models.task, function, compiled

    @torch.no_grad()
    def evaluate(self, flat: Tensor, held: Sequence[Tensor], split: Examples, batch: int) -> list[Evaluation]:
        """Return what each model gives on ``split``, ``batch`` examples at a time, in evaluation mode.

        Where the metric needs all outputs of the split, so many models are evaluated at once as keep these within
        ``MOST_COLLECTED`` bytes; a graph serves them all or none.
        """
        most = self._at_once(flat, held, split, batch)
        if most >= len(flat):
            return self._evaluated(flat, held, split, batch)
        eager = PackEvaluator(self.models, self.models.evaluation(), compiled=False)
        chunks = (slice(start, start + most) for start in range(0, len(flat), most))
        return [
            evaluation
            for rows in chunks
            for evaluation in eager._evaluated(flat[rows], [one[rows] for one in held], split, batch)
        ]

    def _at_once(self, flat: Tensor, held: Sequence[Tensor], split: Examples, batch: int) -> int:
        """Return how many models are evaluated at once."""
        metric = self.task.metric
        if metric.source != "outputs" or metric.over == "examples":
            return len(flat)
        inputs, targets = split.first(batch).whole()
        first = [one[:1] for one in held]
        outputs = self.models.evaluation()(flat[:1], self.task.prepared(inputs), targets, *first)[0]
        return max(1, MOST_COLLECTED * len(targets) // (outputs.nbytes * len(split)))

    def _evaluated(
        self, flat: Tensor, held: Sequence[Tensor], split: Examples, batch: int
    ) -> list[Evaluation]:
        task = self.task
        tallies = [Tally(task.metric) for _ in range(len(flat))]
        losses, weights, right = [], [], []
        for inputs, targets in split.batches(batch):
            outputs, loss, *rights = self._batch(flat, held, task.prepared(inputs), targets, batch)
            if weight := task.weight(targets):
                losses.append(loss)
                weights.append(weight)
            right += rights
            add_to_all(tallies, outputs, targets)
        means = _mean(losses, weights) if losses else [math.nan] * len(flat)
        accuracies = [None] * len(flat)
        if task.correct is not None:
            accuracies = task.accuracy(torch.stack(right).sum(0), len(split), sum(weights)).tolist()
        ends = zip(tallies, means, accuracies, strict=True)
        return [tally.result(mean, accuracy) for tally, mean, accuracy in ends]

    def _batch(
        self, flat: Tensor, held: Sequence[Tensor], inputs: Tensor, targets: Tensor, batch: int
    ) -> tuple[Tensor, ...]:
        """Return outputs, losses and rights; a graph's batch is filled up with its own first examples."""
        count = len(targets)
        if count == batch or not self.compiled:
            return self.function(flat, inputs, targets, *held)
        filled = torch.arange(batch, device=inputs.device) % count
        outputs = self.function(flat, inputs[filled], targets[filled], *held)[0][:, :count]
        return (outputs, *judged(self.task, outputs, targets))


def _mean(losses: Sequence[Tensor], weights: Sequence[float]) -> list[float]:
    """Return the weighted means of the losses ``[K]`` of several batches."""
    weight = torch.tensor(weights, dtype=torch.float64, device=losses[0].device)
    total = (torch.stack(tuple(losses)).double() * weight[:, None]).sum(0)
    return (total / sum(weights)).tolist()
