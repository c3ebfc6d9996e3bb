"""Packs of trials, spread over workers by Ray Tune, or run in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from studies.checkpoints import Checkpoints
from studies.cluster import connected, lacking
from studies.plan import Plan
from studies.worker import Finished, Runner

OnFinished = Callable[[Finished], None]


@dataclass(frozen=True)
class Workers:
    """Where packs run.

    Attributes:
        count: Number of workers; 0 runs in this process without Ray; None takes one per CPU core, or per GPU.
        address: A Ray cluster's address; None starts Ray on this machine.
        device: ``cpu`` or ``cuda``.
    """

    count: int | None = None
    address: str | None = None
    device: str = "cpu"


def sweep(
    work: Plan,
    workers: Workers,
    on_finished: OnFinished,
    *,
    checkpoints: Checkpoints | None = None,
    notice: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Run the packs of ``work`` and hand on what is finished, as it is finished.

    Args:
        work: What to run.
        workers: Where.
        on_finished: Is given each trial once.
        checkpoints: Where long trials are saved.
        notice: Is given what the user should know while it runs.

    Returns:
        What went wrong with packs as a whole (such as nodes that were lost too often), a line each.

    Raises:
        SweepError: If Ray cannot be started or reached, or nodes have other versions than this process.
        KeyboardInterrupt: If the user interrupts; everything handed on is stored.
    """
    if not work.packs:
        return []
    if workers.count == 0:
        runner = Runner(work.task, workers.device, work.engine, checkpoints)
        for pack in work.packs:
            for finished in runner.run(pack):
                on_finished(finished)
        return []
    with connected(workers):
        from studies.actors import run_turns

        missing = lacking(work.spec.resources.request(workers.device))
        if missing:
            notice(f"{missing}; waiting for one that has")
        return run_turns(work, workers.device, workers.count, on_finished, checkpoints)
