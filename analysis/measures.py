"""What the columns that people look at are called, in which unit and with how many decimals they are shown.

LaTeX tables, the page, the axes of figures and the terminal all read `MEASURES`, so that a number has one name, one
factor and one better direction wherever it is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from analysis.task_metric import ERROR, LEVELS, TaskMetric

SIGNIFICANT = -1
"""As `Measure.digits`: three significant digits in place of a fixed number of decimals."""


@dataclass(frozen=True)
class Measure:
    """How one column of a table is shown.

    Attributes:
        title: Its name in running text.
        symbol: Its symbol, which stands for it in a heading and follows the title elsewhere.
        unit: Its unit as shown; '%' says that a fraction is multiplied by 100.
        digits: Decimals, or `SIGNIFICANT`.
        best: Which value is the best, 'min' or 'max'; '' where neither is.
        heading: Its heading in a report; by default the symbol, or the title with a percent sign.
        math: The symbol in LaTeX's mathematical mode, where it is not the letter itself.
        short: Its heading on a terminal; by default the symbol or the title.
    """

    title: str
    symbol: str = ""
    unit: str = ""
    digits: int = 3
    best: Literal["min", "max", ""] = ""
    heading: str = ""
    math: str = ""
    short: str = ""

    def __post_init__(self) -> None:
        percent = ", %" if self.unit == "%" else ""
        heading = self.heading or self.symbol or f"{self.title.capitalize()}{percent}"
        object.__setattr__(self, "heading", heading)
        object.__setattr__(self, "short", self.short or self.symbol or self.title)

    @property
    def factor(self) -> float:
        """What a value is multiplied by to have the unit that is shown."""
        return 100.0 if self.unit == "%" else 1.0

    @property
    def name(self) -> str:
        """The title with its symbol: 'sensitivity S'."""
        return f"{self.title} {self.symbol}".rstrip()

    @property
    def axis(self) -> str:
        """The name with its unit, as on an axis: 'width W (decades of lr)'."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    @property
    def latex(self) -> str:
        """The heading in LaTeX."""
        heading = self.heading.replace("%", r"\%")
        if not self.symbol:
            return heading
        return f"${self.math or self.symbol}${heading.removeprefix(self.symbol)}"


_DECADES = "decades of lr"

MEASURES: dict[str, Measure] = {
    # what names a row
    "task": Measure("task"),
    "label": Measure("optimizer"),
    "term": Measure("term"),
    "metric": Measure("metric"),
    "unit": Measure("unit"),
    "first": Measure("first"),
    "second": Measure("second"),
    # hyperparameters
    "lr": Measure("learning rate"),
    "weight_decay": Measure("weight decay"),
    "grad_scale": Measure("gradient scale"),
    "best_lr": Measure("best lr", digits=SIGNIFICANT, short="lr"),
    "best_weight_decay": Measure("weight decay", digits=SIGNIFICANT, short="wd"),
    # what a run ends with
    "val_error": Measure("validation error", unit="%", digits=2, best="min", short="val err %"),
    "test_error": Measure("test error", unit="%", digits=2, best="min", short="test err %"),
    "train_error": Measure("training error", unit="%", digits=2, best="min"),
    "val_accuracy": Measure(
        "validation accuracy", unit="%", digits=2, best="max", heading="Validation, %", short="val %"
    ),
    "test_accuracy": Measure("test accuracy", unit="%", digits=2, best="max", short="test %"),
    "val_metric": Measure("validation metric", digits=SIGNIFICANT, short="val"),
    "test_metric": Measure("test metric", digits=SIGNIFICANT, short="test"),
    "train_metric": Measure("training metric", digits=SIGNIFICANT, short="train"),
    "val_loss": Measure("validation loss", best="min"),
    "test_loss": Measure("test loss", best="min"),
    "train_loss": Measure("training loss", best="min"),
    "lambda_max": Measure("largest Hessian eigenvalue"),
    "hessian_trace": Measure("Hessian trace"),
    "sam_sharpness": Measure("SAM sharpness"),
    # robustness, generalization and tuning
    "sensitivity": Measure("sensitivity", "S", best="min"),
    "transfer_regret": Measure("transfer regret", "T", best="min"),
    "scale_exponent": Measure("scale exponent", "a", digits=2),
    "width": Measure("width", "W", unit=_DECADES, digits=2, best="max", short="width"),
    "width_own": Measure(
        "width", "W", unit=_DECADES, digits=2, best="max", heading="W, own best", short="width"
    ),
    "width_global": Measure(
        "width", "W", unit=_DECADES, digits=2, best="max", heading="W, global best", short="width"
    ),
    "tunability": Measure("tunability", unit="%", digits=2, best="min", short="tunability %"),
    "gap": Measure("generalization gap", unit="%", digits=2, heading="Gap, %", short="test - train %"),
    "on_front": Measure("Pareto front", heading="Pareto", short="front"),
    # counts
    "diverged": Measure("diverged", unit="%", digits=1),
    "failed": Measure("failed", digits=0),
    "seeds": Measure("seeds", digits=0),
    "trials": Measure("trials", digits=0),
    "workloads": Measure("workloads", digits=0),
    # statistics
    "df": Measure("degrees of freedom", digits=0, heading="df"),
    "eta_squared": Measure("share of the variance", "η²", math=r"\eta^2"),
    "phi": Measure("cross-task sensitivity", "Φ", best="min", math=r"\Phi"),
    "tuned_score": Measure("tuned per workload", best="max"),
    "shared_score": Measure("one setting", best="max"),
    "effective_hyperparameters": Measure("hyperparameters to tune", digits=0, best="min", heading="To tune"),
    "median_difference": Measure("median difference", unit="%", digits=2),
    "median_share": Measure("median difference, as a share of what can be learned", heading="Median share"),
    "p": Measure("p-value", "p"),
    "p_holm": Measure("p-value", "p", heading="p, Holm"),
}
"""The measures by the name of their column."""

_IN_METRIC = ("tunability", "gap")
"""Columns in the unit of the task's metric whatever it is."""


def measure(column: str, metric: TaskMetric | None) -> Measure:
    """Return how a column is shown for a task that is judged by a metric.

    Args:
        column: A key of `MEASURES`.
        metric: The task's metric; None stands for several metrics in one table.

    Returns:
        For val_metric, test_metric and train_metric: 'test macro F1', in the metric's unit, with its direction; for
        tunability and gap: their own measure in that unit; else that of `MEASURES`. In '%' they have two decimals, in
        other units three significant digits (see `decimals`).

    Examples:
        >>> measure("test_metric", TaskMetric("loss", "nats")).axis
        'test loss (nats)'
    """
    known, level = MEASURES[column], column in LEVELS.values()
    if metric == ERROR:
        return MEASURES[{new: old for old, new in LEVELS.items()}.get(column, column)]
    if not level and column not in _IN_METRIC:
        return known
    title, heading = known.title, known.heading.removesuffix(", %")
    short = known.short.removesuffix(" %")
    if metric is None:
        return Measure(title, digits=SIGNIFICANT, heading=heading, short=short)
    if level:
        title, short = title.replace("metric", metric.name), f"{short} {metric.name}"
        heading = f"{title[0].upper()}{title[1:]}"
    digits, percent = (2, " %") if metric.unit == "%" else (SIGNIFICANT, "")
    return Measure(
        title,
        unit=metric.unit,
        digits=digits,
        best=metric.direction if level or known.best else "",
        heading=f"{heading}, {metric.unit}" if metric.unit else heading,
        short=short + percent,
    )


def decimals(values: Iterable[float], digits: int = SIGNIFICANT) -> int:
    """Return with how many decimals numbers are shown.

    Args:
        values: The numbers; NaN where there is none.
        digits: `Measure.digits`. `SIGNIFICANT` stands for as many decimals as give the largest of them three
            significant digits.

    Examples:
        >>> decimals([0.0123, 0.00456]), decimals([1234.5]), decimals([0.5], digits=2)
        (4, 0, 2)
    """
    if digits != SIGNIFICANT:
        return digits
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return max(0, 2 - math.floor(math.log10(largest))) if largest > 0 else 2
