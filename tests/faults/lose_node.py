"""Take a node away from a cluster of three in the middle of a sweep, add another: the table is the same."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

from harness import ROOT, Run, difference, main, stored, wait_for, workplace


def attempts(tries: int, random: random.Random) -> Iterator[tuple[bool, str]]:
    """Yield whether each try went right, and a line about it."""
    with workplace() as (folder, study):
        code, output = Run(study, folder / "undisturbed", "--workers", "0", "--engine", "sequential").finish()
        if code:
            raise SystemExit(f"the undisturbed run failed:\n{output}")
        for number in range(tries):
            yield attempt(study, folder / f"try{number}", folder / "undisturbed", random)


def attempt(study: Path, out: Path, undisturbed: Path, random: random.Random) -> tuple[bool, str]:
    """Once some trials are stored, remove a node that trains, add another, and compare."""
    from ray.cluster_utils import Cluster

    os.environ |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        run = Run(study, out, "--engine", "sequential", "--address", cluster.address)
        some = random.randint(1, 20)
        wait_for(lambda: stored(out) >= some or run.process.poll() is not None)
        kept, running = stored(out), run.process.poll() is None
        cluster.remove_node(random.choice(nodes), allow_graceful=False)
        time.sleep(random.uniform(0, 2))
        cluster.add_node(num_cpus=1)
        code, output = run.finish()
    finally:
        cluster.shutdown()
    wrong = difference(out, undisturbed) if code == 0 else f"exit code {code}: {output[-300:]}"
    lost = (out / "run.log").read_text().count("worker lost")
    when = "" if running else ", after the end"
    return (
        wrong is None,
        f"node lost with {kept} trials stored{when}, {lost} workers lost; {wrong or 'same table'}",
    )


if __name__ == "__main__":
    main(__doc__ or "", 3, attempts)
