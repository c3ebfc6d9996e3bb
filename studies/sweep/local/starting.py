"""How Ray is started on this machine: by names of its own that are given other values for a while.

A version of Ray that does not have one of them starts as it always does, only slower.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

PRELOADED = "studies.sweep.local.preload"


@contextmanager
def alone() -> Iterator[None]:
    """Let Ray start as it does on systems where it does not support clusters, and without what only clusters need.

    It then listens on the loopback address; on all other systems it turns 127.0.0.1 into the machine's own address
    and listens on all of its addresses. No nodes are added, workers' prints are not shown, and statistics of use are
    not sent, so the processes for these are left out.
    """
    from ray._private import parameter, ray_constants, services

    without: dict[str, Any] = {"no_monitor": True, "include_log_monitor": False}
    fewer = partial(parameter.RayParams, **without)
    name = ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    os.environ[name] = "0"
    try:
        with (
            _replaced(ray_constants, ENABLE_RAY_CLUSTER=False),
            _replaced(parameter, RayParams=fewer),
            _replaced(services, start_api_server=_none),
        ):
            yield
    finally:
        del os.environ[name]


def _none(*arguments: Any, **options: Any) -> tuple[None, None]:
    """Return what Ray takes for a dashboard that did not start: its address and its process."""
    return None, None


@contextmanager
def prestarted() -> Iterator[None]:
    """Let Tune train on the workers that Ray has started in advance.

    Tune wants workers with some variables of the driver's environment, for which Ray would start others. On one
    machine all have inherited these.
    """
    from ray.tune.execution import class_cache

    with _replaced(class_cache, DEFAULT_ENV_VARS={}, ENV_VARS_TO_PROPAGATE=frozenset()):
        yield


@contextmanager
def _replaced(module: ModuleType, **values: Any) -> Iterator[None]:
    """Give names of ``module`` other values for a while; those that it does not have are left alone."""
    before = {name: getattr(module, name) for name in values if hasattr(module, name)}
    vars(module).update({name: values[name] for name in before})
    try:
        yield
    finally:
        vars(module).update(before)
