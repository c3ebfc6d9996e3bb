"""SIGKILL a random worker at a random moment: the study completes by itself, with an undisturbed run's table."""

from __future__ import annotations

import random
import time
from functools import partial
from pathlib import Path

from harness import Run, difference, disturbed, kill, main, stored, wait_for

ARGUMENTS = ("--workers", "2", "--engine", "sequential")
TRIALS, MOST_SECONDS = 60, 1.0


def attempt(
    study: Path, out: Path, undisturbed: Path, random: random.Random, runs: list[Run]
) -> tuple[bool, str]:
    """Kill one of the workers some time after a random number of trials, maybe none, is stored; compare tables."""
    run = Run(study, out, *ARGUMENTS)
    wanted = random.choice((0, random.randrange(TRIALS)))
    wait_for(lambda: (stored(out) >= wanted and run.workers()) or run.process.poll() is not None)
    time.sleep(random.uniform(0, MOST_SECONDS))
    workers = run.workers()
    if workers:
        kill(random.choice(workers))
    kept = stored(out)
    code, output = run.finish()
    runs.append(run)
    wrong = difference(out, undisturbed) if code == 0 else f"exit code {code}: {output[-300:]}"
    lost = (out / "run.log").read_text().count("worker lost")
    killed = f"killed one of {len(workers)} workers" if workers else "all workers had ended"
    return wrong is None, f"{killed}, {kept} trials stored then, {lost} noticed; {wrong or 'same table'}"


if __name__ == "__main__":
    main(__doc__ or "", 20, partial(disturbed, attempt))
