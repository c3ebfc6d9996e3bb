"""A part: rows as the bytes of one Parquet file, and what tells whole bytes from damaged ones.

A part is called ``<order>-<digest>.parquet``: ``order`` grows with the time of writing, ``digest`` is the beginning
of the SHA-256 of all its bytes. Parquet's own checksums cover its pages but not its footer, where one changed bit
can make other numbers. Parts of any other name, such as an earlier version's, are taken by their schema alone.

What this covers: a changed, truncated or foreign file is told from what was written, and a part of a newer version
from one that this version understands; neither is ever read as if it were sound. What it does not: someone who edits
a part and gives it the digest of its new bytes, and parts without a digest in their name, of which only Parquet's own
checks and their columns vouch. ``table`` says what becomes of damaged parts, ``files`` how bytes get to the disk.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version

import pyarrow as pa
import pyarrow.parquet as pq

from studies.store.layout import PART_SUFFIX

SCHEMA_VERSION = 1
"""Raise it when a column's meaning or type changes; an added column is noticed without that."""

_DISTRIBUTION = "ada2ms-robustness"
_NAME = re.compile(rf"([0-9a-f]{{16}})-([0-9a-f]{{32}}){re.escape(PART_SUFFIX)}")
_SCHEMA, _WRITER, _REPLACES = b"robustness.schema", b"robustness.version", b"robustness.replaces"


class DamagedError(Exception):
    """A part is not what was written; the message says how that shows."""


class NewerError(Exception):
    """A part was written by a newer version; the message says by which."""


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, as its parts are checked against them.

    Attributes:
        columns: All of them; a part of an earlier version may lack some, which are then null.
        needed: Those that every part has.
    """

    columns: pa.Schema
    needed: frozenset[str]

    @cached_property
    def texts(self) -> list[str]:
        """The columns that hold text."""
        return [name for name, kind in self.types.items() if kind == pa.string()]

    @cached_property
    def types(self) -> dict[str, pa.DataType]:
        """The type of each column."""
        return dict(zip(self.columns.names, self.columns.types, strict=True))


@dataclass(frozen=True)
class Part:
    """What a part holds.

    Attributes:
        rows: Its rows.
        replaces: The names of the parts that it was merged from.
    """

    rows: pa.Table
    replaces: frozenset[str]


def encode(rows: pa.Table, replaces: Sequence[str] = ()) -> bytes:
    """Return the bytes of a part."""
    about = {_SCHEMA: str(SCHEMA_VERSION), _WRITER: _version(), _REPLACES: json.dumps(list(replaces))}
    texts = [column.name for column in rows.schema if column.type == pa.string()]
    sink = pa.BufferOutputStream()
    pq.write_table(
        rows.replace_schema_metadata(about),
        sink,
        use_dictionary=texts,
        write_statistics=False,
    )
    return sink.getvalue().to_pybytes()


def file_name(content: bytes, order: int) -> str:
    """Return the name of the part that has these bytes."""
    return f"{order:016x}-{_digest(content)}{PART_SUFFIX}"


def order_of(name: str) -> int:
    """Return the order in a part's name; -1 for a name without one, which thereby comes before all others."""
    match = _NAME.fullmatch(name)
    return int(match[1], 16) if match else -1


def decode(
    name: str,
    content: bytes,
    table: TableSchema,
    columns: Sequence[str] | None = None,
    *,
    small: bool = False,
) -> Part:
    """Return what a part holds, or some columns of it.

    Args:
        name: The part's name.
        content: Its bytes.
        table: The table's columns.
        columns: Those that are wanted; None means all.
        small: Whether text comes as dictionaries and numbers in half their bytes, as for millions of rows.

    Raises:
        DamagedError: If it is not what was written.
        NewerError: If a newer version wrote it.
    """
    file, present, about = _opened(name, content, table)
    wanted = list(columns if columns is not None else table.columns.names)
    try:
        if small:
            file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=table.texts)
        rows = file.read(sorted(present.intersection(wanted)), use_threads=False)
        if small:
            rows = _halved(rows)
        replaces = frozenset(json.loads(about.get(_REPLACES, b"[]")))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedError(f"cannot be read: {_line(error)}") from error
    if "trial_id" in wanted and rows["trial_id"].null_count:
        raise DamagedError("has rows without a trial_id")
    return Part(_with_columns(rows, table, wanted), replaces)


def check(name: str, content: bytes, table: TableSchema) -> frozenset[str]:
    """Return what a part replaces, if it is whole; all of it is read only where its name does not vouch for it.

    Raises:
        DamagedError: If it is not what was written.
        NewerError: If a newer version wrote it.
    """
    columns: list[str] | None = [] if _NAME.fullmatch(name) else None
    return decode(name, content, table, columns).replaces


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


@cache
def _version() -> str:
    return version(_DISTRIBUTION)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _opened(
    name: str, content: bytes, table: TableSchema
) -> tuple[pq.ParquetFile, set[str], dict[bytes, bytes]]:
    """Return the Parquet file that a part is, the names of its columns, and what it says of itself."""
    match = _NAME.fullmatch(name)
    if match and match[2] != _digest(content):
        raise DamagedError(f"its {len(content)} bytes are not those that were written")
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        schema = file.schema_arrow
        about = schema.metadata or {}
        schema_version = int(about.get(_SCHEMA, b"0"))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedError(f"is not a part: {_line(error)}") from error
    found = dict(zip(schema.names, schema.types, strict=True))
    unknown = found.keys() - table.types.keys()
    if _SCHEMA in about and (schema_version > SCHEMA_VERSION or unknown):
        writer = about.get(_WRITER, b"?").decode(errors="replace")
        extra = f", with the columns {', '.join(sorted(unknown))}" if unknown else ""
        raise NewerError(
            f"was written by version {writer} (schema {schema_version}{extra}), "
            f"and this is version {_version()} (schema {SCHEMA_VERSION})"
        )
    other = any(found[name] != table.types[name] for name in found.keys() - unknown)
    if unknown or other or table.needed - found.keys():
        raise DamagedError("holds the columns of another table")
    return file, set(found), about


def _halved(rows: pa.Table) -> pa.Table:
    half = {pa.int64(): pa.int32(), pa.float64(): pa.float32()}
    return rows.cast(pa.schema([field.with_type(half.get(field.type, field.type)) for field in rows.schema]))


def _with_columns(rows: pa.Table, table: TableSchema, wanted: list[str]) -> pa.Table:
    """Return ``rows`` with all ``wanted`` columns in their order, nulls where it has none."""
    found = dict(zip(rows.schema.names, rows.columns, strict=True))
    columns = {
        name: found[name] if name in found else pa.nulls(rows.num_rows, table.types[name]) for name in wanted
    }
    return pa.table(columns)
