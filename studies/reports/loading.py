"""The imports of a report, made before it is written: they take seconds, and a run needs them only at its end."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from studies.sweep.sweep import Progress

LEFT = 0.05
"""Reports are imported when this share of the trials is left: some core is free soon."""


class Foreseen:
    """Hands on progress, and imports what writes reports when few trials are left.

    Args:
        progress: What is told of trials.
        pending: How many are to come.
    """

    def __init__(self, progress: Progress, pending: int) -> None:
        self.progress, self.left = progress, pending
        self.soon = LEFT * pending

    def update(self, statuses: Iterable[str]) -> None:
        """Count finished trials by their status."""
        statuses = list(statuses)
        before, self.left = self.left, self.left - len(statuses)
        if self.left <= self.soon < before:
            threading.Thread(target=_load, name="reports", daemon=True).start()
        self.progress.update(statuses)


def _load() -> None:
    import studies.reports.report  # noqa: F401  # what fails here fails again, and is told, where it is used
