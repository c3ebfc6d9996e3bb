"""A table as a folder of immutable parts: written, read while others write, merged; damaged ones set aside.

If several parts have a trial, the last of them counts. Parts that another part replaces are not read, whether or not
they are deleted already, so that merging changes what is read at no moment.

What this covers: one driver may append, merge and set aside while any number of readers read, and each of them sees
every trial that was stored when it began, once. A damaged part is named and left out, never guessed at. What it does
not: several writers (``lock`` sees to it that there is one), and a trial's rows in different tables, which readers
may see at different moments (``store`` writes them in an order that makes this harmless). ``part`` says how damage is
noticed.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from studies.spec.errors import StoreError
from studies.store.files import Files
from studies.store.layout import DAMAGED, PART_SUFFIX, WRITING_SUFFIX
from studies.store.part import (
    DamagedError,
    NewerError,
    TableSchema,
    check,
    decode,
    encode,
    file_name,
    order_of,
)

logger = logging.getLogger("studies")
MANY_PARTS = 512
"""How many small neighbouring parts there must be before they are merged."""
MERGED_BYTES = 8_000_000
"""The size to which parts are merged at most; a part of half this size or more stays as it is."""

_READERS = 8
_VANISHED_SECONDS = 10.0
_GONE = {errno.ENOENT, errno.ESTALE}

T = TypeVar("T")


class PartFolder:
    """The parts of one table.

    Args:
        files: The files of the study's folder.
        name: The table's folder in it.
        schema: Its columns.
    """

    def __init__(self, files: Files, name: str, schema: TableSchema) -> None:
        self.files, self.name, self.schema = files, name, schema
        self._warned: set[str] = set()

    def sizes(self) -> dict[str, int]:
        """Return the names of the parts in the order of their writing, and their sizes in bytes."""
        sizes = self.files.list(self.name)
        names = (name for name in sizes if name.endswith(PART_SUFFIX))
        return {name: sizes[name] for name in sorted(names, key=lambda name: (order_of(name), name))}

    def append(self, rows: pa.Table, order: int, replaces: Sequence[str] = ()) -> None:
        """Write a part."""
        content = encode(rows, replaces)
        self.files.write(self._path(file_name(content, order)), content)

    def read(self, columns: Sequence[str] | None = None, *, small: bool = False) -> pa.Table:
        """Return the rows of all trials, each once; damaged parts are named and left out.

        With ``small``, text comes as dictionaries and numbers in half their bytes.

        Raises:
            StoreError: If a part was written by a newer version.
        """
        parts, damaged = self._all(
            lambda name, content: decode(name, content, self.schema, columns, small=small),
            readers=2 if small else _READERS,
        )
        for name in damaged.keys() - self._warned:
            self._warned.add(name)
            logger.warning(
                "%s/%s: damaged and left out: %s; the next run sets it aside and trains its trials again",
                self.files.location,
                self._path(name),
                damaged[name],
            )
        replaced = frozenset[str]().union(*(part.replaces for part in parts.values()))
        tables = [part.rows for name, part in parts.items() if name not in replaced]
        if tables:
            return latest(tables)
        return self.schema.columns.empty_table().select(columns or self.schema.columns.names)

    def tidy(self) -> None:
        """Set damaged parts aside, and delete what a killed driver left behind; only the driver may call this.

        Raises:
            StoreError: If a part was written by a newer version.
        """
        whole, damaged = self._all(lambda name, content: check(name, content, self.schema))
        for name, reason in damaged.items():
            self.set_aside(name, reason)
        replaced = frozenset[str]().union(*whole.values())
        left = (
            name for name in self.files.list(self.name) if name in replaced or name.endswith(WRITING_SUFFIX)
        )
        for name in left:
            self.files.delete(self._path(name))

    def set_aside(self, name: str, reason: object) -> None:
        """Move a damaged part out of the table's folder, and say so."""
        target = f"{DAMAGED}/{self.name}-{name}"
        while self.files.exists(target):
            target += ".again"
        self.files.move(self._path(name), target)
        logger.warning(
            "%s/%s: damaged: %s; set aside as %s, and its trials run again",
            self.files.location,
            self._path(name),
            reason,
            target,
        )

    def merge(self) -> None:
        """Merge small parts if there are many; only the driver may call this.

        A merged part is on the disk before the first of those that it replaces is deleted.
        """
        groups = mergeable(self.sizes())
        if sum(map(len, groups)) < MANY_PARTS:
            return
        for names in groups:
            contents = (self.files.read(self._path(name)) for name in names)
            try:
                tables = [decode(*part, self.schema).rows for part in zip(names, contents, strict=True)]
            except DamagedError:  # the next driver's `tidy` sets it aside
                continue
            self.append(latest(tables), max(order_of(names[-1]), 0), names)
            for name in names:
                self.files.delete(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self.name}/{name}"

    def _all(
        self, load: Callable[[str, bytes], T], readers: int = _READERS
    ) -> tuple[dict[str, T], dict[str, str]]:
        """Call ``load`` with the name and bytes of every part; return its results, and what is damaged and how.

        A listing that is made while parts are merged may lack both a part and the one that replaces it. So parts are
        listed again after they are read, until nothing has changed.
        """
        known: dict[str, tuple[T | None, Exception | None]] = {}
        before: list[str] = []
        patience = time.monotonic() + _VANISHED_SECONDS
        while True:
            names = list(self.sizes())
            new = [name for name in names if name not in known]
            with ThreadPoolExecutor(readers) as pool:
                known |= zip(new, pool.map(partial(self._load, load), new), strict=True)
            known = {name: known[name] for name in names}
            vanished = [name for name, (_, error) in known.items() if isinstance(error, OSError)]
            if names == before and (not vanished or time.monotonic() > patience):
                break
            for name in vanished:
                del known[name]
            before = names
        whole = {name: value for name, (value, _) in known.items() if value is not None}
        return whole, {name: str(error) for name, (_, error) in known.items() if error is not None}

    def _load(self, load: Callable[[str, bytes], T], name: str) -> tuple[T | None, Exception | None]:
        """Return what ``load`` returns, or why the part cannot be had."""
        try:
            return load(name, self.files.read(self._path(name))), None
        except DamagedError as error:
            return None, error
        except NewerError as error:
            raise StoreError(
                f"{self.files.location}/{self._path(name)}: {error}: "
                "use that version or a later one, or give another folder with --out"
            ) from None
        except OSError as error:
            if error.errno not in _GONE:
                raise
            return None, error


def mergeable(sizes: Mapping[str, int]) -> list[list[str]]:
    """Return groups of neighbouring small parts, each of at most ``MERGED_BYTES``.

    Args:
        sizes: The sizes of all parts in bytes, in the order of their writing.
    """
    groups: list[list[str]] = [[]]
    total = 0
    for name, size in sizes.items():
        small = size < MERGED_BYTES // 2
        if not small or total + size > MERGED_BYTES:
            groups.append([])
            total = 0
        if small:
            groups[-1].append(name)
            total += size
    return [names for names in groups if len(names) > 1]


def latest(tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of ``tables`` as one, of each trial only those in the last table that has any."""
    trials = [table["trial_id"].unique().to_pylist() for table in tables]
    last = {trial: index for index, own in enumerate(trials) for trial in own}
    if len(last) == sum(map(len, trials)):
        return pa.concat_tables(tables)
    kept = [[trial for trial in own if last[trial] == index] for index, own in enumerate(trials)]
    return pa.concat_tables(
        table
        if len(some) == len(own)
        else table.filter(pc.is_in(table["trial_id"], pa.array(some, pa.string())))
        for table, own, some in zip(tables, trials, kept, strict=True)
    )
