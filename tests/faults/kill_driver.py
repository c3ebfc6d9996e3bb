"""SIGKILL the driver at a random moment, then give the same command again: the table is an undisturbed run's."""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path

from harness import Run, difference, disturbed, main, stored, wait_for

ARGUMENTS = ("--workers", "2", "--engine", "sequential")
TRIALS, MOST_SECONDS = 60, 1.0


def attempt(
    study: Path, out: Path, undisturbed: Path, random: random.Random, runs: list[Run]
) -> tuple[bool, str]:
    """Kill the driver some time after a random number of trials, maybe none, is stored; run again, compare."""
    first = Run(study, out, *ARGUMENTS)
    wanted = random.choice((0, random.randrange(TRIALS)))
    wait_for(lambda: stored(out) >= wanted or first.process.poll() is not None)
    time.sleep(random.uniform(0, MOST_SECONDS if wanted else 8 * MOST_SECONDS))
    ended = first.process.poll() is not None
    first.kill()
    kept = stored(out)
    code, output = (second := Run(study, out, *ARGUMENTS)).finish()
    runs += first, second
    wrong = difference(out, undisturbed) if code == 0 else f"exit code {code}: {output[-300:]}"
    when = "after its end" if ended else "at work"
    return wrong is None, f"killed {when}, {kept} trials stored then; {wrong or 'same table'}"


if __name__ == "__main__":
    main(__doc__ or "", 20, partial(disturbed, attempt))
