"""The problems that make a comparison invalid, by name, and how one that was found is recorded.

The names are what `allow` of `verdict` takes.
"""

from __future__ import annotations

from typing import NamedTuple

PROBLEMS: dict[str, str] = {
    "null-status": "a row does not say whether its run completed, diverged or failed",
    "null-result": "a completed run has no accuracy, or no value of its metric",
    "failed-trials": "a run failed, so that nothing is known of it",
    "missing-label": "a label has no usable run on a task that others were run on",
    "missing-seeds": "a label lacks seeds that others have",
    "missing-cells": "a label's grid has holes",
    "unequal-width": "the grids of learning rates are not equally wide",
    "unequal-cells": "the grids have not equally many cells",
    "unequal-budget": "epochs or batch_size differ",
    "unequal-schedule": "the schedules differ",
    "edge": "the best cell (c = 1) lies within two learning rates of the grid's edge",
    "cut-window": "the window of S reaches beyond the grid, whose edge leaves out the rates at which most is lost",
    "decay-edge": "the best weight decay is at an end of its grid, beyond which a better one may lie",
    "nothing-learned": "no cell is better than chance, so that nothing can be lost",
    "no-confirmation": "no run with a fresh seed at the selected cell: the winner looks better than it is",
    "overlapping-seeds": "a confirmation seed took part in the selection",
    "test-selection": "the cell was chosen by the test split",
}
"""The names of what `check` finds, with what they mean."""


class Problem(NamedTuple):
    """A problem in some rows.

    Attributes:
        name: A key of `PROBLEMS`.
        task: The task that it was found on.
        label: The label that it concerns, or None where it concerns all of the task.
        detail: What exactly was found.
    """

    name: str
    task: str
    label: str | None
    detail: str


def first_few(values: list) -> str:
    """Write up to five values, and how many there are where there are more."""
    shown = ", ".join(map(str, values[:5]))
    return f"{shown}, … ({len(values)} in all)" if len(values) > 5 else shown
