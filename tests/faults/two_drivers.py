"""Two drivers at once on one folder: one works, the other is refused with host, pid and start.

Example:
    python tests/faults/two_drivers.py
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import tiny

TRIES = 5


def start_two(folder: Path, expected_rows: int, seed: int) -> str:
    """Start two drivers at the same time; raise unless one completes and one is refused."""
    study = folder.with_suffix(".yaml")
    study.write_text(tiny.STUDY)
    command = [sys.executable, "-m", "studies.cli", "run", str(study), "--workers", "0", "--out", str(folder)]
    command += ["--engine", "sequential"]
    both = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [(process.communicate(timeout=120)[1], process.returncode, process.pid) for process in both]
    codes = sorted(code for _, code, _ in ends)
    if codes == [0, 0]:  # the first had ended before the second asked
        raise AssertionError("the drivers did not meet")
    assert codes == [0, 2], ends
    (works,) = [pid for _, code, pid in ends if code == 0]
    (message,) = [text for text, code, _ in ends if code == 2]
    assert message.count("\n") == 1, message
    for word in (socket.gethostname(), f"pid {works}", "started 20", "another driver"):
        assert word in message, f"{word} not in {message}"
    assert len(tiny.table(folder)) == expected_rows
    assert not list(folder.glob("*.lock"))
    return f"pid {works} completed, the other: {message.strip().rpartition('/')[2]}"


def main() -> None:
    """Make all tries."""
    with tempfile.TemporaryDirectory() as scratch:
        tiny.tries("two drivers", TRIES, lambda index: start_two(Path(scratch) / f"try-{index}", 6, index))


if __name__ == "__main__":
    main()
