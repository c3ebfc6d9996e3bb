"""Who drives a study, and whether that process is still running."""

from __future__ import annotations

import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True)
class Driver:
    """A process that drives a study, as its lock file describes it.

    Attributes:
        host: The machine's name.
        machine: Boot and process namespace: within one of them a process's number means one process.
        pid: The process's number.
        process_start: When the process was started, in ticks since boot; None where that cannot be known. It tells
            the driver from a later process that was given the same number.
        began: When it asked for the folder, in seconds since 1970.
        holds: Whether it has the folder, or is still asking for it.
        beat: How many times it has written its file.
    """

    host: str
    machine: str
    pid: int
    process_start: int | None
    began: float
    holds: bool = False
    beat: int = 0

    @classmethod
    def here(cls) -> Driver:
        """Return this process."""
        pid = os.getpid()
        return cls(socket.gethostname(), _machine(), pid, process_start(pid), time.time())

    @classmethod
    def from_bytes(cls, content: bytes) -> Driver | None:
        """Return the driver that a lock file describes; None if the file cannot be understood."""
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return None

    def __str__(self) -> str:
        began = datetime.fromtimestamp(self.began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"host {self.host}, pid {self.pid}, started {began}"

    def runs(self) -> bool | None:
        """Return whether the process is running; None if that cannot be known from here."""
        if (self.host, self.machine) != (socket.gethostname(), _machine()):
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        start = process_start(self.pid)
        if start is None or self.process_start is None:
            return None
        return start == self.process_start


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def process_start(pid: int) -> int | None:
    """Return when a process was started, in ticks since boot; -1 if it has ended; None where that cannot be known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return -1 if fields[0] in "ZX" else int(fields[19])
