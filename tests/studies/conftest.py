"""What tests of studies share: Ray, started once for many, and commands that are killed on the way."""

import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from studies import StoreError, load
from studies.planning.workers import Workers
from studies.sweep.cluster import connected

SECONDS = 300  # for what takes ten where nobody else is at work
_ray = ExitStack()


@pytest.fixture(autouse=True)
def _shared_ray(request):
    """Ray with two workers for a test marked ``ray(shared=True)``, running already if the one before had it."""
    mark = request.node.get_closest_marker("ray")
    if (
        mark
        and mark.kwargs.get("shared")
        and not ("ray" in sys.modules and sys.modules["ray"].is_initialized())
    ):
        _ray.enter_context(connected(Workers(count=2)))


def pytest_runtest_teardown(item, nextitem):
    """Stop the Ray that tests share when the next one has no use for it."""
    mark = nextitem and nextitem.get_closest_marker("ray")
    if not (mark and mark.kwargs.get("shared")):
        _ray.close()


def stored(folder):
    """Return how many trials a folder holds."""
    try:
        return len(load(folder))
    except StoreError:
        return 0


@pytest.fixture
def killed():
    """Give a command without Ray, and kill it when its folder holds so many trials."""

    def kill(folder, trials, *arguments, cwd=None):
        command = [sys.executable, "-m", "studies.cli", *arguments, "--workers", "0", "--out", str(folder)]
        process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + SECONDS
        while process.poll() is None and time.monotonic() < deadline and stored(folder) < trials:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()

    return kill
