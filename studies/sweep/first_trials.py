"""The first trials of a sweep, held back while they all fail for one reason: then the fault is not a trial's own.

What this covers: a broken loss or a missing library, by which every trial of a study fails, ends the sweep after
``MOST_ALIKE`` trials, and none of them is stored as failed, so the same command tries them again. What it does not: a
fault that begins later, or that hits some trials only; those are stored as ``failed``, one by one.
"""

from __future__ import annotations

import re

from studies.spec.errors import SweepError
from studies.spec.problems import one_line
from studies.store.rows import Finished

MOST_ALIKE = 20
"""After so many trials that all failed for one reason a sweep stops."""


class FirstTrials:
    """Holds finished trials back until one differs from the others, or is no failure.

    Args:
        total: How many trials there are; a sweep of fewer than ``MOST_ALIKE`` is never stopped.
    """

    def __init__(self, total: int) -> None:
        self.holding = total >= MOST_ALIKE
        self.held = Finished()

    def released(self, finished: Finished) -> Finished:
        """Return what may be stored now that ``finished`` came: nothing, or all that was held back and this.

        Raises:
            SweepError: If the first ``MOST_ALIKE`` trials, and all that came with them, failed for one reason.
        """
        self.held += finished
        reasons = {_kind(row["reason"]) if row["status"] == "failed" else None for row in self.held.rows}
        if not self.holding or None in reasons or len(reasons) > 1:
            self.holding = False
            return self.rest()
        if len(self.held.rows) >= MOST_ALIKE:
            count, reason = len(self.held.rows), self.held.rows[0]["reason"]
            self.held = Finished()
            raise SweepError(
                one_line(
                    f"stopped: the first {count} trials all failed for one reason: {reason}; none of them was "
                    "stored as failed, so the same command tries them again"
                )
            )
        return Finished()

    def rest(self) -> Finished:
        """Return what is still held back."""
        rest, self.held = self.held, Finished()
        return rest


def _kind(reason: str | None) -> str:
    """Return a reason without the numbers in it, which may differ from trial to trial."""
    return re.sub(r"[-+]?\d+(\.\d*)?(e[-+]?\d+)?|\b(nan|inf)\b", "#", reason or "")
