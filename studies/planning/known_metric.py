"""A metric as a folder remembers it: enough to judge stored rows by it, where it follows from their numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from robustness.tasks import BaseTask

UNNAMED = "error"
"""The metric of rows that name none, those of earlier programs."""

# As of robustness.tasks.metric, which readers cannot import: it needs torch.
LARGEST_EXPONENT = 300.0


@dataclass(frozen=True)
class KnownMetric:
    """By what a folder's study was last judged.

    Attributes:
        name: As ``Metric.name``.
        unit: As ``Metric.unit``.
        direction: As ``Metric.direction``.
        nothing: The value of knowing nothing; None where it is not known.
        source: As ``Metric.source``: ``accuracy``, ``loss`` or ``exp(loss)`` where rows of any metric can be
            judged by it.
        divisor: As ``Metric.divisor``.
    """

    name: str
    unit: str
    direction: str
    nothing: float | None
    source: str
    divisor: float

    @classmethod
    def of(cls, task: BaseTask) -> KnownMetric:
        """Return what is to be remembered of a task's metric."""
        metric = task.metric
        return cls(
            metric.name, metric.unit, metric.direction, task.chance_metric, metric.source, metric.divisor
        )

    @classmethod
    def read(cls, values: Any) -> KnownMetric | None:
        """Return what was written of a metric; None where nothing was.

        Raises:
            TypeError: If it is something else.
        """
        if values is None:
            return None
        if not isinstance(values, Mapping):
            raise TypeError(f"a metric must be a mapping, but got {values!r}")
        known = cls(**values)
        texts = all(isinstance(getattr(known, name), str) for name in ("name", "unit", "direction", "source"))
        numbers = (1.0 if known.nothing is None else known.nothing, known.divisor)
        if not texts or not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            raise TypeError(f"{', '.join(field.name for field in fields(cls))}: are not those of a metric")
        return known

    @property
    def derived(self) -> bool:
        """Whether it follows from the losses or accuracies of a row."""
        return self.source not in ("outputs", "reported")

    def other(self, rows: pd.DataFrame) -> pd.Series:
        """Return which of ``rows`` have another metric."""
        return rows["metric"].fillna(UNNAMED) != self.name

    def value(self, loss: Any, accuracy: Any) -> Any:
        """Return a derived metric's values at mean losses and accuracies, numbers or columns of them."""
        if self.source == "accuracy":
            return 1 - accuracy
        value = loss / self.divisor
        return np.exp(np.minimum(value, LARGEST_EXPONENT)) if self.source == "exp(loss)" else value
