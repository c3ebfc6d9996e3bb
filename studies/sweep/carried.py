"""What trials name of a user's own, sent to workers as bytes: they need none of its files.

What this covers: optimizers by name and those that a script or a notebook has put into the registries, with their
rules, and schedules, pickled by value. What it does not: installed packages, which every node must have.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from robustness.optimizers import OPTIMIZERS, RULES
from robustness.optimizers.registry import is_built_in
from robustness.user_code.names import is_own, provide, resolve
from studies.planning.plan import Plan
from studies.spec.errors import SweepError
from studies.spec.problems import one_line
from studies.sweep.cluster import carry_modules


def packed(work: Plan) -> bytes:
    """Return what the trials of ``work`` name of a user's own, for ``unpacked``.

    Raises:
        SweepError: If an object cannot be pickled.
    """
    import ray.cloudpickle

    names = {trial.settings.optimizer for trial in work.trials}
    names |= {trial.settings.schedule.name for trial in work.trials}
    objects = _objects(names)
    homes = [f"{held.__module__}:" for held in objects["optimizers"].values()]
    carry_modules([*filter(is_own, [work.task.name, *names]), *homes], work.spec.folder)
    try:
        return ray.cloudpickle.dumps(objects)
    except Exception as error:  # what is a user's own may hold anything
        held = ", ".join(name for kind in objects.values() for name in kind)
        raise SweepError(
            one_line(
                f"{held}: cannot be sent to workers: {type(error).__name__}: {error}; train with --workers 0"
            )
        ) from error


def unpacked(content: bytes) -> None:
    """Make what ``packed`` holds known in this process, under the names that trials use."""
    import ray.cloudpickle

    objects: dict[str, dict[str, Any]] = ray.cloudpickle.loads(content)
    provide(objects["provided"])
    OPTIMIZERS.update(objects["optimizers"])
    RULES.update(objects["rules"])


def _objects(names: Collection[str]) -> dict[str, dict[str, Any]]:
    registered = sorted(name for name in names if name in OPTIMIZERS and not is_built_in(name))
    return {
        "provided": {name: resolve(name) for name in sorted(filter(is_own, names))},
        "optimizers": {name: OPTIMIZERS[name] for name in registered},
        "rules": {name: RULES[name] for name in registered if name in RULES},
    }
