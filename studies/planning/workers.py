"""Where a study is to run: how many workers, on which cluster and device; checked before anything is planned."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from studies.spec.errors import InputError
from studies.spec.values import as_yaml


def resolve_device(device: str) -> str:
    """Return ``cpu`` or ``cuda``; ``auto`` is ``cuda`` where there is a GPU.

    Raises:
        InputError: If ``device`` is another word, or is ``cuda`` where there is no GPU.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device: {device}: must be auto, cpu or cuda")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "--device: cuda: this machine has no GPU that torch can use; allowed here: auto, cpu"
        )
    return device


def check_address(address: str | None) -> None:
    """Refuse an address of Ray Client.

    Raises:
        InputError: If ``address`` begins with ``ray://``.
    """
    if address is not None and address.startswith("ray://"):
        # under Ray Client, Tune runs on the cluster's head: away from this process's store and terminal
        raise InputError(
            f"--address: {address}: Ray Client is not supported: on a machine of the cluster give auto or "
            "host:port, from elsewhere `ray job submit --address http://host:8265 -- robustness run STUDY "
            "--address auto`"
        )


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


def workplace(
    workers: int | None, address: str | None, device: str, time_limit: float | None = None
) -> Workers:
    """Check where a study is to run.

    Args:
        workers: How many processes; 0 is this one.
        address: A Ray cluster's address.
        device: ``auto``, ``cpu`` or ``cuda``.
        time_limit: How long a trial may take, in seconds; only a trial in a worker can be stopped.

    Raises:
        InputError: If a value is not valid, or two of them do not go together.
    """
    workers = as_yaml(workers)
    if workers is not None and workers < 0:
        raise InputError(f"--workers: {workers}: must be 0 (in this process, without Ray) or more")
    if workers == 0 and address is not None:
        raise InputError("--workers: 0: runs without Ray, so it cannot go with --address")
    if workers == 0 and time_limit is not None:
        raise InputError("--workers: 0: only a worker can be stopped at budget.time_limit: give 1 or more")
    check_address(address)
    return Workers(workers, address, resolve_device(device))
