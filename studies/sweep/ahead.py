"""Compiling what a sweep will need, beside what else has to start; and when the sweep can expect it.

What this covers: a machine that trains with workers of its own, where their start leaves a core idle. What it does
not: a cluster, whose workers compile or load for themselves, and training in the driver's own process, which waits
for its graphs in any case. Which trials are trained by graphs does not depend on any of it: all of them are.
"""

from __future__ import annotations

from collections.abc import Sequence

from robustness.tasks import BaseTask, Task
from robustness.training import Engine, build_ahead
from studies.planning.plan import Pack
from studies.planning.workers import Workers

COMPILED_AFTER = 15
"""Seconds after which packs of digits-mlp were compiled, with nothing in the cache (2 cores of an Intel Xeon)."""


def compile_ahead(
    task: BaseTask, packs: Sequence[Pack], engine: Engine, workers: Workers, later: Sequence[Pack] = ()
) -> str | None:
    """Begin to compile what ``packs`` need, then what packs like ``later`` need, if they are to be compiled.

    Returns:
        When compiled packs are to be expected, in words; None where nothing is compiled.
    """
    if not engine.compile or not packs or not isinstance(task, Task):
        return None
    stages = [[[trial.settings for trial in pack.trials] for pack in stage] for stage in (packs, later)]
    here = workers.address is None and workers.count != 0 and workers.device == "cpu"
    known = build_ahead(task, stages, look_only=not here)
    return (
        "compiled packs from the start"
        if known
        else f"compiled packs from about the {COMPILED_AFTER}th second on"
    )
