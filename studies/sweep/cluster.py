"""Ray: started on this machine or joined, its nodes checked, and a user's own modules sent along."""

from __future__ import annotations

import gc
import os
import platform
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustness.user_code.source import is_installed
from studies.spec.errors import SweepError
from studies.spec.problems import one_line
from studies.sweep.authentication import agree_on_token
from studies.sweep.local.starting import PRELOADED, alone, prestarted

if TYPE_CHECKING:
    from studies.planning.workers import Workers


# Ray reads these when it is imported. One file per trial and logger, and a snapshot of the experiment every few
# seconds, would cost more than the trials: the store is the state to resume from. Tensors lie in a node's shared
# memory once, and all its workers read them there.
RAY_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_ZERO_COPY_TORCH_TENSORS": "1",
    "PL_DISABLE_FORK": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_MAX_PENDING_TRIALS_PG": "16",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_RESULT_BUFFER_LENGTH": "0",
}
PROBE_SECONDS = 120.0
CONNECT_SECONDS = 10.0


@contextmanager
def connected(workers: Workers) -> Iterator[None]:
    """Start Ray on this machine or join a cluster, and leave it at the end; use it as it is if it is there already.

    Without workers nothing is done.

    Raises:
        SweepError: If Ray cannot be started or reached, or does not take this process's token, or a node has other
            versions than this process.
    """
    if workers.count == 0:
        yield
        return
    os.environ.update({name: value for name, value in RAY_ENVIRONMENT.items() if name not in os.environ})
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        yield
        return
    if workers.address is not None:
        _check_reachable(workers.address)
        agree_on_token(workers.address)  # before Ray is imported: it looks at its environment then
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if workers.address is None:
        options |= {"include_dashboard": False, "num_cpus": workers.count, "address": "local"}
        options["_system_config"] = {"preload_python_modules": [PRELOADED]}
        # workers find a user's own modules where this process does, by the environment that they inherit
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    else:
        options["address"] = workers.address
    with ExitStack() as lasting:
        try:
            with alone() if workers.address is None else nullcontext():
                ray.init(**options)
            lasting.callback(_leave)
            if workers.address is None:
                lasting.enter_context(prestarted())
        except Exception as error:  # Ray raises a different class for every way to fail
            where = workers.address or "this machine"
            raise SweepError(
                one_line(f"Ray cannot be started at {where}: {_mismatch(error) or error}")
            ) from error
        if workers.address is not None:
            _probe_nodes()
        yield


def _leave() -> None:
    """Shut Ray down, and collect no garbage meanwhile.

    Some of it refers to objects of Ray's. A process whose collector comes upon these while Ray is being shut down, in
    whatever thread, is ended by Ray with exit code 1.
    """
    import ray

    collecting = gc.isenabled()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        if collecting:
            gc.enable()


def _check_reachable(address: str) -> None:
    """Find out within seconds whether anything listens at ``host:port``; Ray itself would try for minutes.

    Raises:
        SweepError: If nothing does.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise SweepError(f"Ray cannot be started at {address}: {error}") from None


def shared_versions() -> dict[str, str]:
    """Return the versions that driver and workers must have in common; torch built for GPUs or not is the same."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "ada2ms-robustness": metadata.version("ada2ms-robustness"),
        "torch": metadata.version("torch").partition("+")[0],
        "ray": metadata.version("ray"),
    }


def differences(here: Mapping[str, str], there: Mapping[str, str | None], node: str) -> str | None:
    """Return in which versions a node differs from this process, or None."""
    parts = [
        f"{name} {version} here and {there.get(name) or 'none'} there"
        for name, version in here.items()
        if there.get(name) != version
    ]
    return f"node {node} has other versions than the driver: {', '.join(parts)}" if parts else None


def _mismatch(error: Exception) -> str | None:
    """Return Ray's own message about differing versions in the words of ours; None if it is about something else."""
    text = one_line(str(error))
    return text.replace("Version mismatch: ", "versions differ: ") if "Version mismatch" in text else None


def _probe_nodes() -> None:
    """Compare the versions on every node with this process's.

    Raises:
        SweepError: If they differ somewhere, or a node does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    names = [name for name in shared_versions() if name != "python"]

    # This function must stay nested. A function of a module is sent by its name, and a node without this project, or
    # with another version of it, would fail on the import before it could say so; a nested one is sent with its code.
    def there() -> dict[str, str | None]:
        import platform
        from importlib import metadata

        versions: dict[str, str | None] = {"python": ".".join(platform.python_version_tuple()[:2])}
        for name in names:
            try:
                versions[name] = metadata.version(name).partition("+")[0]
            except metadata.PackageNotFoundError:
                versions[name] = None
        return versions

    probe = ray.remote(num_cpus=0, max_retries=3)(there)
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    jobs = {
        node: probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
        for node in nodes
    }
    for node, job in jobs.items():
        try:
            versions = ray.get(job, timeout=PROBE_SECONDS)
        except ray.exceptions.RayError as error:
            if node not in {other["NodeID"] for other in ray.nodes() if other["Alive"]}:
                continue  # it has gone away since
            raise SweepError(one_line(f"node {nodes[node]} does not answer: {error}")) from error
        different = differences(shared_versions(), versions, nodes[node])
        if different:
            raise SweepError(different)


def lacking(request: Mapping[str, float]) -> str | None:
    """Return why no node that is there now can hold a worker, or None if one can."""
    import ray

    wanted = {{"cpu": "CPU", "gpu": "GPU"}.get(name, name): amount for name, amount in request.items()}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes):
        return None
    asked = ", ".join(f"{name} {amount:g}" for name, amount in request.items())
    most = {name: max(node.get(name, 0) for node in nodes) for name in wanted}
    there = ", ".join(f"{name} {amount:g}" for name, amount in most.items())
    return f"resources: {asked}: no node of the cluster has that (at most: {there})"


def carry_modules(names: Iterable[str], folder: Path | None) -> None:
    """Send a user's own objects with their code, so that workers need not have its files.

    That is their packages, unless they are installed, and whatever else was imported from beside the study's file.

    Args:
        names: ``package.module:name`` each.
        folder: Of the study's file.
    """
    import ray.cloudpickle

    tops = {name.partition(":")[0].partition(".")[0] for name in names}
    if not tops:
        return
    for name, module in list(sys.modules.items()):
        if "." in name or is_installed(module):
            continue
        path = getattr(module, "__file__", None)
        beside = folder is not None and path is not None and Path(path).is_relative_to(folder)
        if name in tops or beside:
            ray.cloudpickle.register_pickle_by_value(module)
