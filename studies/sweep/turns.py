"""Which trials a worker gets next, and what becomes of those whose worker was lost. Knows nothing of Ray.

What this covers: every trial ends exactly once, however many workers are lost. It is finished, or given up after
``TRIAL_DEATHS`` workers died over it alone, or its turn is named in ``problems`` after ``OUTSIDE_LOSSES`` losses that
were no fault of its own. A trial that kills its workers is found by halving, and the others of its pack finish. What
it does not: noticing that a worker is lost or at its limits (``tune``, ``supervision``), and anything after this
process ends: the next run goes on from what is stored (``store``).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

PACK_DEATHS, TRIAL_DEATHS = 2, 3
"""How many workers may die over a pack before it is cut in two, and over a single trial before it is given up."""
OUTSIDE_LOSSES = 10
"""How many workers a pack may lose for reasons that say nothing of its trials, such as a node that went away."""
BACKOFF_SECONDS, LONGEST_BACKOFF = 1.0, 30.0
"""The first pause before a turn is given out again, doubled with every loss, and the longest one."""


@dataclass(frozen=True)
class Turn:
    """Trials for one worker, by their numbers in the study.

    Attributes:
        pack_id: The pack that they come from.
        trials: Their numbers.
        alone: Whether this is what is left of a pack that was cut down to one suspicious trial.
        deaths: How many workers died over it.
        losses: How many were lost for reasons outside of its trials.
        not_before: The time (monotonic) before which it is not given out again.
    """

    pack_id: str
    trials: tuple[int, ...]
    alone: bool = False
    deaths: int = 0
    losses: int = 0
    not_before: float = 0.0


@dataclass(frozen=True)
class Loss:
    """How a worker was lost.

    Attributes:
        reason: One line.
        kind: ``died`` (it may be the trials' fault), ``memory`` (too much of it in use), ``outside`` (no fault of
            the trials), ``versions`` (it has others than the driver, or lacks a package), ``retired`` (it ended
            itself; what is left goes on elsewhere as it is), ``split`` (it ended itself because of trials that it
            trained together, which go on in halves).
    """

    reason: str
    kind: str


class Turns:
    """The turns that are left of a study, each given out until all its trials are finished or given up.

    Args:
        turns: In the order in which they are given out.
        clock: Returns the seconds since some moment; they only grow.

    Attributes:
        waiting: Turns that no worker has.
        running: The turns that workers have, by name.
        finished: The numbers of the trials that are done.
        problems: A line for each turn that was given up for reasons outside of its trials.
    """

    def __init__(self, turns: Iterable[Turn], clock: Callable[[], float] = time.monotonic) -> None:
        self.waiting, self.clock = deque(turns), clock
        self.running: dict[str, Turn] = {}
        self.finished: set[int] = set()
        self.problems: list[str] = []

    @property
    def done(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self.waiting and not self.running

    def take(self, name: str) -> Turn | None:
        """Return the next turn that may run now, and note it as running under ``name``; None if there is none."""
        now = self.clock()
        for _ in range(len(self.waiting)):
            turn = self.waiting.popleft()
            if turn.not_before <= now:
                self.running[name] = turn
                return turn
            self.waiting.append(turn)
        return None

    def finish(self, trials: Iterable[int]) -> list[int]:
        """Note ``trials`` as finished and return those that were not before."""
        new = [trial for trial in dict.fromkeys(trials) if trial not in self.finished]
        self.finished.update(new)
        return new

    def end(self, name: str) -> None:
        """Note that the turn ``name`` has ended; trials that it left out run again."""
        turn = self.running.pop(name)
        if self._left(turn):
            self.running[name] = turn
            self.lose(name, Loss("ended without all of its trials", "died"))

    def lose(self, name: str, loss: Loss) -> list[int]:
        """Put what is left of the turn ``name`` back, whole or in halves.

        Returns:
            The trial that is given up, since ``TRIAL_DEATHS`` workers died over it alone; mostly none.
        """
        turn = self.running.pop(name)
        left = self._left(turn)
        if not left:
            return []
        turn = replace(turn, trials=left)
        if loss.kind in ("retired", "split"):
            self.waiting.extendleft(self._halves(turn) if loss.kind == "split" else [turn])
            return []
        if loss.kind == "outside":
            return self._outside(turn, loss)
        turn = replace(turn, deaths=turn.deaths + 1)
        if len(left) > 1 and (loss.kind == "memory" or turn.deaths >= PACK_DEATHS):
            self.waiting.extend(self._halves(turn))
        elif turn.deaths >= TRIAL_DEATHS:
            return self.finish(left)
        else:
            self.waiting.append(self._later(turn, turn.deaths))
        return []

    def _outside(self, turn: Turn, loss: Loss) -> list[int]:
        turn = replace(turn, losses=turn.losses + 1)
        if turn.losses >= OUTSIDE_LOSSES:
            count = len(turn.trials)
            self.problems.append(f"pack {turn.pack_id}: {count} trials not run: {loss.reason}")
        else:
            self.waiting.append(self._later(turn, turn.losses))
        return []

    def _left(self, turn: Turn) -> tuple[int, ...]:
        return tuple(trial for trial in turn.trials if trial not in self.finished)

    def _later(self, turn: Turn, failures: int) -> Turn:
        wait = min(BACKOFF_SECONDS * 2 ** (failures - 1), LONGEST_BACKOFF)
        return replace(turn, not_before=self.clock() + wait)

    def _halves(self, turn: Turn) -> Sequence[Turn]:
        middle = (len(turn.trials) + 1) // 2
        halves = (turn.trials[:middle], turn.trials[middle:])
        return [
            replace(turn, trials=half, alone=len(half) == 1, deaths=0, not_before=0.0)
            for half in halves
            if half
        ]
