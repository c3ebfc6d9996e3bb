"""Truncated, zeroed, changed and foreign parts, and parts of a newer schema: never a wrong number.

Each of 20 seeded tries damages up to three parts of a study of 6 trials, one trial a part. A reader must leave the
damaged parts out; the same study, run again, must name them and set them aside, and end with the table of the
undisturbed run. A part of a newer schema must be refused and left alone.

Example:
    python tests/faults/damaged_parts.py
"""

from __future__ import annotations

import logging
import random
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import tiny

from studies import StoreError, load_curves
from studies.store.part import file_name
from studies.store.store import Store

TRIES = 20


def truncate(part: Path, chance: random.Random) -> None:
    """Cut the file off somewhere."""
    part.write_bytes(part.read_bytes()[: chance.randrange(part.stat().st_size)])


def zero(part: Path, chance: random.Random) -> None:
    """Fill the end of the file with zeros, as a crash may leave it."""
    content = bytearray(part.read_bytes())
    start = chance.randrange(len(content) // 2)
    content[start:] = bytes(len(content) - start)
    part.write_bytes(content)


def flip(part: Path, chance: random.Random) -> None:
    """Change one bit, wherever it is."""
    content = bytearray(part.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    part.write_bytes(content)


def garble(part: Path, chance: random.Random) -> None:
    """Put other bytes into the file."""
    part.write_bytes(chance.randbytes(chance.randrange(5000)))


def another_table(part: Path, chance: random.Random) -> None:
    """Put a Parquet file of other columns in its place, under another name."""
    part.unlink()
    pq.write_table(
        pa.table({"trial_id": ["a"], "price": [chance.random()]}), part.with_name("prices.parquet")
    )


DAMAGE: list[Callable[[Path, random.Random], None]] = [truncate, zero, flip, garble, another_table]


class Heard(logging.Handler):
    """Collects what the store logs."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


def damage_and_run_again(whole: Path, folder: Path, seed: int) -> str:
    """Damage up to three parts of a copy of ``whole``, read, run again; raise if anything is wrong."""
    chance = random.Random(seed)
    expected = tiny.table(whole)
    tiny.scatter(whole, folder)
    parts = sorted([*folder.glob("rows/*.parquet"), *folder.glob("curves/*.parquet")])
    kind = DAMAGE[seed % len(DAMAGE)]
    hurt = chance.sample(parts, 1 if kind is another_table else chance.randint(1, 3))
    for part in hurt:
        kind(part, chance)
    heard = Heard()
    logger = logging.getLogger("studies")
    logger.addHandler(heard)
    try:
        read = tiny.table(folder)  # a reader leaves damaged rows out, and has no other number wrong
        tiny.check_equal(read, expected[expected["trial_id"].isin(read["trial_id"])].reset_index(drop=True))
        load_curves(folder)
        before = {part.name for part in folder.glob("*/*.parquet")}
        tiny.check_equal(tiny.finish(folder), expected)
    finally:
        logger.removeHandler(heard)
    pd.testing.assert_frame_equal(load_curves(folder), load_curves(whole), check_exact=True)
    aside = {path.name.split("-", 1)[1] for path in (folder / "damaged").iterdir()}
    names = {"prices.parquet"} if kind is another_table else {part.name for part in hurt}
    assert aside == names, f"set aside {aside}, damaged {names}"
    assert names <= before
    for name in names:
        assert any(name in line and "set aside" in line for line in heard.lines), f"{name} not named"
    return f"{kind.__name__} of {len(hurt)} of {len(parts)} parts: set aside, named, run again, table equal"


def newer_part(whole: Path, folder: Path, seed: int) -> str:
    """Add a part of a newer schema: reading and running are refused, and nothing is changed."""
    shutil.copytree(whole, folder)
    schema = {"trial_id": ["n"], "status": ["completed"]} | ({"mood": [seed]} if seed % 2 else {})
    about = {"robustness.schema": str(1 + (seed + 1) % 2), "robustness.version": "9.0.0"}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(schema).replace_schema_metadata(about), sink)
    content = sink.getvalue().to_pybytes()
    part = folder / "rows" / file_name(content, 1 << 60)
    part.write_bytes(content)
    files = sorted(path.name for path in folder.rglob("*.parquet"))
    for use in (lambda: Store(folder).rows(), lambda: tiny.finish(folder)):
        with pytest.raises(StoreError, match=f"{part.name}.*9.0.0"):
            use()
    assert files == sorted(path.name for path in folder.rglob("*.parquet"))
    return "newer schema: refused with its version, nothing changed"


def main() -> None:
    """Make all tries."""
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / "whole"
        tiny.finish(whole)

        def one(index: int) -> str:
            try_ = newer_part if index % 7 == 6 else damage_and_run_again
            return try_(whole, Path(scratch) / str(index), index)

        tiny.tries("damaged parts", TRIES, one)


if __name__ == "__main__":
    main()
