"""SIGKILL the driver at a random moment, then give the same command again: the table is an undisturbed run's."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

from harness import Run, difference, main, orphans, stored, wait_for, workplace

ARGUMENTS = ("--workers", "2", "--engine", "sequential")
TRIALS, MOST_SECONDS = 60, 1.0


def attempts(tries: int, random: random.Random) -> Iterator[tuple[bool, str]]:
    """Yield whether each try came out right, and a line about it."""
    with workplace() as (folder, study):
        code, output = Run(study, folder / "undisturbed", "--workers", "0", "--engine", "sequential").finish()
        if code:
            raise SystemExit(f"the undisturbed run failed:\n{output}")
        runs: list[Run] = []
        for number in range(tries):
            yield attempt(study, folder / f"try{number}", folder / "undisturbed", random, runs)
        yield orphans(runs)


def attempt(
    study: Path, out: Path, undisturbed: Path, random: random.Random, runs: list[Run]
) -> tuple[bool, str]:
    """Kill at a random moment after a random number of trials is stored, maybe none; run again, compare."""
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
    main(__doc__ or "", 20, attempts)
