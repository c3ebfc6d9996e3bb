"""What cells are selected by and optimizers judged by: a number from outputs and targets, loss or accuracy."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

DIRECTIONS, REACHES, SOURCES = (
    ("min", "max"),
    ("examples", "split"),
    ("outputs", "accuracy", "loss", "exp(loss)", "reported"),
)
LARGEST_EXPONENT = 300.0
"""Of which the exponential is taken: beyond it, a perplexity stays where its square is still a number."""


@dataclass(frozen=True)
class Metric:
    """What a task is judged by.

    Attributes:
        name: As tables, figures and a study's ``metric:`` have it, such as ``macro F1``.
        direction: Whether ``min`` or ``max`` is better.
        unit: Such as ``m/s``; with ``%`` values are fractions and are shown times 100.
        function: ``(outputs, targets) -> [N]``, a value for each example of a batch, or one number
            (``over="split"``). It is called in evaluation mode and must leave both as they are.
        over: ``examples``: the metric is the mean of the examples' values. ``split``: the function gets all outputs
            and targets of a split at once.
        nothing: The value of knowing nothing; by default what the best constant output gives on the training
            split (``robustness.training.evaluation.constant``).
        source: ``outputs`` where there is a function; ``accuracy``: one minus it; ``loss``: the mean loss over
            ``divisor``; ``exp(loss)``: the exponential of that; ``reported``: a training function says it.
        divisor: Of the loss.

    Raises:
        ValueError: If a value is not valid.

    Examples:
        >>> Metric("absolute error", unit="m", function=lambda out, y: (out - y).abs().mean(-1)).direction
        'min'
    """

    name: str
    direction: Literal["min", "max"] = "min"
    unit: str = ""
    function: Callable[[Tensor, Tensor], Tensor | float] | None = None
    over: Literal["examples", "split"] = "examples"
    nothing: float | None = None
    source: Literal["outputs", "accuracy", "loss", "exp(loss)", "reported"] = "outputs"
    divisor: float = 1.0

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("unit", self.unit)):
            if not isinstance(text, str) or len(text.splitlines()) > 1 or text != text.strip():
                raise ValueError(f"a metric's {what} must be text in one line, but got {text!r}")
        if not self.name:
            raise ValueError("a metric's name must not be empty")
        for what, allowed in (("direction", DIRECTIONS), ("over", REACHES), ("source", SOURCES)):
            if (value := getattr(self, what)) not in allowed:
                raise ValueError(f"a metric's {what} must be {' or '.join(allowed)}, but got {value!r}")
        if self.source == "outputs" and not callable(self.function):
            raise ValueError(
                f"metric {self.name!r}: function must be (outputs, targets) -> number, but got {self.function!r}"
            )
        if self.source in ("outputs", "reported") and self.name in (ERROR_NAME, LOSS_NAME):
            raise ValueError(f"a metric of your own must not be called {self.name!r}, which every task has")
        number = isinstance(self.nothing, int | float) and math.isfinite(self.nothing)
        if self.nothing is not None and not number:
            raise ValueError(
                f"metric {self.name!r}: nothing must be a finite number, but got {self.nothing!r}"
            )

    def derived(self, loss: float, accuracy: float | None) -> float | None:
        """Return its value where it follows from mean loss and accuracy; None where it needs the outputs."""
        if self.source == "loss":
            return loss / self.divisor
        if self.source == "exp(loss)":
            return float(np.exp(np.minimum(loss / self.divisor, LARGEST_EXPONENT)))
        return 1 - accuracy if self.source == "accuracy" and accuracy is not None else None


ERROR_NAME, LOSS_NAME = "error", "loss"
ERROR = Metric(ERROR_NAME, unit="%", source="accuracy")
"""One minus the accuracy."""
LOSS = Metric(LOSS_NAME, source="loss")
"""The mean loss, in a unit that depends on the task."""
NATS = Metric(LOSS_NAME, unit="nats", source="loss")
"""The mean loss where it is a cross-entropy."""
BITS_PER_CHARACTER = Metric("bits per character", unit="bits", source="loss", divisor=math.log(2))
"""The mean cross-entropy of the next character, over ln 2."""
PERPLEXITY = Metric("perplexity", source="exp(loss)")
"""The exponential of the mean cross-entropy of the next token."""
