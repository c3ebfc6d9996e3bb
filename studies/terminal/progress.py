"""One line of live progress: done and total, diverged, failed, time left."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from studies.terminal.text import duration

PLAIN_EVERY_SECONDS = 15.0


class ProgressLine:
    """Shows how far a study is: redrawn in place on a terminal, elsewhere a new line every 15 seconds.

    Args:
        console: Where to show it.
        total: Trials in the study.
        stored: How many of them were stored before.
        stage: The name of the study's stage that they belong to.

    Attributes:
        note: A text that is shown after the counts.
    """

    def __init__(self, console: Console, total: int, stored: int, stage: str = "training") -> None:
        self.console, self.total, self.stored = console, total, stored
        self.note = ""
        self.counts: Counter[str] = Counter()
        self.started = self.shown = time.monotonic()
        self.bar = Progress(
            TextColumn(stage),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[notes]}"),
            TextColumn("ETA"),
            TimeRemainingColumn(compact=True),
            console=console,
            disable=not console.is_terminal,
        )
        self.job = self.bar.add_task(stage, total=total, completed=stored, notes=self._notes())

    def __enter__(self) -> ProgressLine:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def _notes(self) -> str:
        counts = f"{self.counts['diverged']} diverged, {self.counts['failed']} failed"
        return f"{counts}, {self.note}" if self.note else counts

    def expect(self, left: int) -> None:
        """Set the total to what is done and ``left`` more, for work whose size is not known beforehand."""
        self.total = self.stored + self.counts.total() + left
        self.bar.update(self.job, total=self.total)

    def update(self, statuses: Iterable[str]) -> None:
        """Count finished trials by their status and show the new state."""
        self.counts.update(statuses)
        done = self.counts.total()
        self.bar.update(self.job, completed=self.stored + done, notes=self._notes())
        now = time.monotonic()
        if not self.console.is_terminal and now - self.shown >= PLAIN_EVERY_SECONDS:
            self.shown = now
            left = (now - self.started) / max(done, 1) * (self.total - self.stored - done)
            self.console.print(
                f"{self.stored + done}/{self.total} trials, {self._notes()}, about {duration(left)} left",
                highlight=False,
            )
