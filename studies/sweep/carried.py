"""What trials name of a user's own, sent to workers as bytes: they need none of its files.

What this covers: optimizers by name and those that a script or a notebook has put into the registries, with their
rules, and schedules, pickled by value; and the task, whose data lie on each node once. What it does not: installed
packages, which every node must have.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

from robustness.optimizers import OPTIMIZERS, RULES
from robustness.optimizers.registry import is_built_in
from robustness.tasks import BaseTask
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
        raise _not_sent(", ".join(name for kind in objects.values() for name in kind), error) from error


def put_task(task: BaseTask) -> Any:
    """Put ``task`` into Ray's object store, where all workers of a node read its tensors in place.

    Raises:
        SweepError: If it cannot be pickled, as a dataset that holds an open file cannot.
    """
    import ray

    with warnings.catch_warnings():
        # tensors there must not be written into, and a task's data are only read
        warnings.filterwarnings("ignore", "(Zero-copy tensor|The input tensor is non-contiguous)")
        try:
            return ray.put(task)
        except Exception as error:  # a dataset may hold anything
            raise _not_sent(task.name, error) from error


def _not_sent(what: str, error: Exception) -> SweepError:
    why = f"{type(error).__name__}: {error}".strip().partition("\n")[0]
    return SweepError(one_line(f"{what}: cannot be sent to workers: {why}; train with --workers 0"))


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
