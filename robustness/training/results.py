"""What a trial gives: curves, metrics and how it ended; and the record of it while it is being trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from robustness.training.evaluation.tally import Evaluation


@dataclass(frozen=True)
class CurvePoint:
    """Mean loss, accuracy and the task's metric on one split after one epoch; epoch 0 is the initialization."""

    epoch: int
    split: str
    loss: float
    accuracy: float | None
    metric: float | None = None


@dataclass(frozen=True)
class MomentSpread:
    """The second moment ``v`` of one parameter tensor after an epoch, as the optimizer holds it.

    Bias correction is left out. AdaMomentum's is of the momentum, and includes the eps added at every step.

    Attributes:
        epoch: From 1.
        layer: The parameter's name.
        elements: Its number of elements.
        zeros: Share of them with ``v = 0``, which the quantiles leave out.
        log_v_low: 5 % quantile of ``log10 v``; None, like the next two, where all are 0.
        log_v_median: Median of ``log10 v``.
        log_v_high: 95 % quantile of ``log10 v``.
        log_global: ``log10 G``, with ``G`` the mean of ``v`` over all parameters; None where all are 0.
    """

    epoch: int
    layer: str
    elements: int
    zeros: float
    log_v_low: float | None
    log_v_median: float | None
    log_v_high: float | None
    log_global: float | None


@dataclass(frozen=True)
class TrialResult:
    """The outcome of a trial.

    Attributes:
        status: ``completed``, ``diverged`` or ``failed``.
        stopped_step: The first step (from 1) with a non-finite loss or, if all losses are finite, the last step
            before parameters were found to be non-finite; None unless the trial was stopped.
        reason: Why it diverged or failed.
        init_loss: Training loss at initialization; None where a training function did not report it.
        metrics: ``train_loss``, ``train_accuracy``, ``train_metric``, ``val_loss``, … at the end (accuracies as
            fractions), and ``lambda_max``, ``hessian_trace``, ``hessian_trace_se`` and ``sam_sharpness`` if flatness
            was measured; empty if the trial was stopped or has failed.
        curves: Losses, accuracies and metrics at each epoch that was evaluated.
        wall_seconds: Duration of the training run; in a pack, the trial's share.
        diagnostics: Second moments where ``TrialSettings.diagnostics`` asks for them; empty for an optimizer
            without them.
    """

    status: str
    stopped_step: int | None = None
    reason: str | None = None
    init_loss: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    curves: tuple[CurvePoint, ...] = ()
    wall_seconds: float = 0.0
    diagnostics: tuple[MomentSpread, ...] = ()


def concluded(curves: list[CurvePoint], stopped_step: int | None, wall_seconds: float) -> TrialResult:
    """Judge a trial by its curves: diverged if it was stopped, or if a loss at its end is not finite.

    A finite run that ends above its initial loss is completed: what its numbers are worth is for the analysis to say.
    """
    initial = next((point.loss for point in curves if (point.epoch, point.split) == (0, "train")), None)
    if stopped_step is not None:
        return TrialResult(
            "diverged",
            stopped_step,
            "non-finite loss or parameters",
            initial,
            curves=tuple(curves),
            wall_seconds=wall_seconds,
        )
    end = max((point.epoch for point in curves), default=0)
    last = {point.split: point for point in curves if point.epoch == end}
    metrics: dict[str, float | None] = {}
    for split, point in last.items():
        metrics |= {
            f"{split}_loss": point.loss,
            f"{split}_accuracy": point.accuracy,
            f"{split}_metric": point.metric,
        }
    broken = [split for split, point in last.items() if not math.isfinite(point.loss)]
    reason = f"non-finite loss at the end ({', '.join(broken)})" if broken else None
    status = "diverged" if broken else "completed"
    return TrialResult(status, None, reason, initial, metrics, tuple(curves), wall_seconds)


@dataclass
class Record:
    """What is known so far of a trial that is being trained.

    Attributes:
        curves: Its evaluations up to now.
        stopped: As ``TrialResult.stopped_step``.
        failed: Why it has failed, if it has: its metric gave no number.
        spreads: Second moments that were looked at.
        flatness: Measures of flatness by name.
    """

    curves: list[CurvePoint] = field(default_factory=list)
    stopped: int | None = None
    failed: str | None = None
    spreads: list[MomentSpread] = field(default_factory=list)
    flatness: dict[str, float] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to train."""
        return self.stopped is not None or self.failed is not None

    def note(self, epoch: int, evaluations: Mapping[str, Evaluation]) -> None:
        """Add the evaluations of all splits after an epoch.

        The trial has failed where its metric gave no number, unless a loss is not finite: then it may have diverged,
        which says something about its optimizer, and its metric is of no account.
        """
        self.curves += [
            CurvePoint(epoch, split, one.loss, one.accuracy, one.metric) for split, one in evaluations.items()
        ]
        if all(math.isfinite(one.loss) for one in evaluations.values()):
            problems = (f"{one.problem} ({split} split)" for split, one in evaluations.items() if one.problem)
            self.failed = next(problems, None)

    def saved(self) -> tuple[Any, ...]:
        """Return what a checkpoint holds of it: numbers and text."""
        curves, spreads = ([astuple(point) for point in points] for points in (self.curves, self.spreads))
        return curves, self.stopped, self.failed, spreads

    @classmethod
    def restored(cls, saved: tuple[Any, ...]) -> Record:
        """Return the record that was saved."""
        curves, stopped, failed, spreads = saved
        points = [CurvePoint(*point) for point in curves]
        return cls(points, stopped, failed, [MomentSpread(*spread) for spread in spreads])

    def result(self, wall_seconds: float) -> TrialResult:
        """Return the outcome, with what was measured beside the curves."""
        if self.failed is not None:
            return TrialResult("failed", reason=self.failed, wall_seconds=wall_seconds)
        result = concluded(self.curves, self.stopped, wall_seconds)
        return replace(result, metrics={**result.metrics, **self.flatness}, diagnostics=tuple(self.spreads))
