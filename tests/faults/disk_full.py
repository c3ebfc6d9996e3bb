"""A full disk: one clear line, exit 1, nothing stored is lost, and the same command completes once there is room.

Mounts a tmpfs of 1 MB, which needs the right to mount; without it the script says so and tries nothing.

Example:
    python tests/faults/disk_full.py
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from studies import load


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a tmpfs of 1 MB.

    Raises:
        PermissionError: If this process may not mount it.
    """
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(done.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(path: Path, leave: int) -> None:
    """Fill the disk that ``path`` is on, all but ``leave`` bytes."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    os.truncate(path, path.stat().st_size - leave)


def run_on_a_full_disk(disk: Path, scratch: Path, leave: int) -> str:
    """Grow a stored study on a disk with ``leave`` bytes left, make room, and run it to its end."""
    study, folder = scratch / "tiny.yaml", disk / "tiny"
    command = [sys.executable, "-m", "studies.cli", "run", str(study), "--out", str(folder)]
    command += ["--workers", "0", "--engine", "sequential"]
    study.write_text(tiny.STUDY)
    assert subprocess.run(command, capture_output=True).returncode == 0
    stored = load(folder)
    study.write_text(tiny.STUDY.replace("seeds: 1", "seeds: 3"))
    fill(disk / "filler", leave)
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, (done.returncode, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    assert "No space left on device" in done.stderr
    kept = load(folder)
    kept = kept[kept["trial_id"].isin(stored["trial_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, stored, check_exact=True)
    (disk / "filler").unlink()
    again = subprocess.run(command, capture_output=True, text=True)
    assert (again.returncode, again.stderr) == (0, "")
    rows = load(folder)
    assert len(rows) == 3 * len(stored)
    kept = rows[rows["trial_id"].isin(stored["trial_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, stored, check_exact=True)
    return done.stderr.strip()


def main() -> None:
    """Try it once."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            with small_disk(Path(scratch) / "disk") as disk:
                tiny.tries("disk full", 1, lambda _: run_on_a_full_disk(disk, Path(scratch), 16_384))
        except PermissionError as error:
            print(f"disk full: not tried: no tmpfs can be mounted here: {error}")


if __name__ == "__main__":
    main()
