"""One driver per folder, on any storage that lists a file as soon as it is written.

Every driver writes a file of its own, ``driver-<token>.lock``, and goes on when it sees no other living driver's.
Of two that ask at the same time the earlier one goes on: one of them wrote last, and sees the other's file. As no
two drivers share a file, anyone may delete the file of a dead one at any time without a race. This needs no exclusive
creation and no file locks, which network file systems and object stores may not have.

A driver on the same machine is dead if its process is. A driver on another machine must keep its file changing: it
writes it anew every ``BEAT_SECONDS``, and counts as dead when it has not for ``LEASE_SECONDS``, by the clock of the
one that waits. A driver that was only suspended finds its file gone at its next beat and stops.

What this covers: of the drivers that ask for a folder, on whatever machines, one goes on and the others are refused;
one that died, or whose machine was cut off, keeps nobody out for longer than the lease. What it does not: storage
that lists new files late, and a suspended driver that wakes up, until its next beat. Until then it may write rows, of
which each trial's last one counts (``table``), and at any time files beside the tables, which nothing checks. Readers
need no lock. ``driver`` describes a process and tells whether it runs.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from types import TracebackType

from studies.spec.errors import StoreError, SweepError
from studies.store.driver import Driver
from studies.store.files import Files
from studies.store.layout import LOCK_PREFIX, LOCK_SUFFIX

logger = logging.getLogger("studies")

BEAT_SECONDS = 15.0
LEASE_SECONDS = 60.0
_POLL_SECONDS = 0.05, 1.0


@dataclass
class _Watched:
    """Another driver's file as it was first seen.

    Attributes:
        content: What it held.
        since: When that was, by this process's clock.
        announced: Whether the user has been told of it.
    """

    content: bytes
    since: float = field(default_factory=time.monotonic)
    announced: bool = False

    def is_alive(self, driver: Driver | None, content: bytes, lease_seconds: float) -> bool | None:
        """Return whether the driver lives, judged by what its file holds now; None if that is not known yet."""
        runs = driver.runs() if driver else None
        if runs is not None:
            return runs
        if content != self.content:
            return True
        return False if time.monotonic() - self.since > lease_seconds else None


class Lock:
    """This process's right to write to a study's folder; a context manager.

    Args:
        files: The files of the folder.
        beat_seconds: How often it shows that it is alive.
        lease_seconds: After how long without a beat a driver counts as dead.
    """

    def __init__(
        self, files: Files, *, beat_seconds: float = BEAT_SECONDS, lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self.files, self.beat_seconds, self.lease_seconds = files, beat_seconds, lease_seconds
        self.name = f"{LOCK_PREFIX}{uuid.uuid4().hex}{LOCK_SUFFIX}"
        self.driver = Driver.here()
        self.lost = False  # set by the beating thread when another driver has deleted the file
        self._ending = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="studies-lock", daemon=True)

    def __enter__(self) -> Lock:
        """Take the folder.

        Raises:
            StoreError: If another driver has it.
            OSError: If it cannot be written to.
        """
        try:
            self._write()
            self._thread.start()
            self._wait_for_others()
            self._write(holds=True)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def check(self) -> None:
        """Make sure that the folder is still this driver's.

        Raises:
            SweepError: If another driver has taken it, since this one gave no sign of life for too long.
        """
        if self.lost:
            raise SweepError(
                f"{self.files.location}: another driver has taken the folder over, since this one gave no sign of "
                f"life for {self.lease_seconds:.0f} s (was it suspended?); what was stored is kept"
            )

    def _write(self, holds: bool = False) -> None:
        with self._writing:
            self.driver = replace(self.driver, beat=self.driver.beat + 1, holds=holds or self.driver.holds)
            self.files.write(self.name, json.dumps(asdict(self.driver)).encode())

    def _release(self) -> None:
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        try:
            self.files.delete(self.name)
        except OSError as error:  # whoever comes next will see that this process has ended
            logger.warning("%s: lock not deleted: %s", self.files.location, error)

    def _wait_for_others(self) -> None:
        """Return when there is no other living driver's file.

        Raises:
            StoreError: If another driver has the folder, or asked for it earlier.
        """
        watched: dict[str, _Watched] = {}
        pause, longest = _POLL_SECONDS
        while others := self._others():
            for name, content in others.items():
                if name not in watched:
                    watched[name] = _Watched(content)
                self._face(name, watched[name], content)
            time.sleep(pause)
            pause = min(2 * pause, longest)

    def _others(self) -> dict[str, bytes]:
        """Return the names of all other drivers' files, and what they hold."""
        return {name: content for name, content in _lock_files(self.files).items() if name != self.name}

    def _face(self, name: str, watched: _Watched, content: bytes) -> None:
        """Give way to another driver, or wait for it, or delete the file of one that is dead."""
        driver = Driver.from_bytes(content)
        alive = watched.is_alive(driver, content, self.lease_seconds)
        location, who = self.files.location, driver or f"unreadable {name}"
        if alive is False:
            self.files.delete(name)
            logger.warning("%s: taken over from a driver that no longer runs (%s)", location, who)
        elif alive and driver and (driver.holds or (driver.began, name) < (self.driver.began, self.name)):
            raise StoreError(
                f"{location}: another driver is at work here ({driver}): "
                "wait for its end, or give another folder with --out"
            )
        elif alive is None and not watched.announced:
            watched.announced = True
            wait = f"waiting up to {self.lease_seconds:.0f} s to see whether it still runs"
            logger.warning("%s: another driver may be at work here (%s): %s", location, who, wait)

    def _beat(self) -> None:
        while not self._ending.wait(self.beat_seconds):
            try:
                if not self.files.exists(self.name):
                    self.lost = True
                    return
                self._write()
            except OSError as error:  # a full disk, or a network that is away: the next beat may come through
                logger.warning("%s: lock not renewed: %s", self.files.location, error)


def drivers(files: Files) -> list[Driver]:
    """Return the drivers of a folder that are not known to be dead; takes no lock."""
    described = map(Driver.from_bytes, _lock_files(files).values())
    return [driver for driver in described if driver is not None and driver.runs() is not False]


def _lock_files(files: Files) -> dict[str, bytes]:
    contents = {}
    for name in files.list():
        if name.startswith(LOCK_PREFIX) and name.endswith(LOCK_SUFFIX):
            with suppress(FileNotFoundError):
                contents[name] = files.read(name)
    return contents
