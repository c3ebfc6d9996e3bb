"""A part's bytes: what was written is read, all else is told from it."""

import pyarrow as pa
import pytest

from studies.store.part import (
    SCHEMA_VERSION,
    DamagedError,
    NewerError,
    TableSchema,
    check,
    decode,
    encode,
    file_name,
    order_of,
)

COLUMNS = pa.schema({"trial_id": pa.string(), "lr": pa.float64(), "seed": pa.int64()})
TABLE = TableSchema(COLUMNS, frozenset({"trial_id", "lr"}))
ROWS = pa.table({"trial_id": ["a", "b"], "lr": [0.1, 0.2], "seed": [0, 1]}, schema=COLUMNS)


def test_a_part_holds_what_was_put_into_it_and_is_named_by_order_and_content():
    content = encode(ROWS, ["old"])
    name = file_name(content, 255)
    part = decode(name, content, TABLE)
    assert part.rows.equals(ROWS)
    assert part.replaces == check(name, content, TABLE) == {"old"}
    assert name.startswith(f"{255:016x}-")
    assert order_of(name) == 255
    assert order_of("earlier.parquet") == -1


def test_some_columns_come_in_the_order_that_was_asked_for_and_small_ones_in_half_the_bytes():
    content = encode(ROWS)
    rows = decode(file_name(content, 1), content, TABLE, ["seed", "trial_id"], small=True).rows
    assert rows.column_names == ["seed", "trial_id"]
    assert rows["seed"].type == pa.int32()
    assert pa.types.is_dictionary(rows["trial_id"].type)


def test_a_column_that_an_earlier_version_did_not_have_is_null():
    content = encode(ROWS.drop_columns("seed"))
    rows = decode("earlier.parquet", content, TABLE).rows
    assert rows.schema.equals(COLUMNS)
    assert rows["seed"].null_count == 2


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"x", lambda c: b"", lambda c: c[::-1]])
def test_a_name_does_not_vouch_for_other_bytes(change):
    content = encode(ROWS)
    with pytest.raises(DamagedError, match="not those that were written"):
        check(file_name(content, 1), change(content), TABLE)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS.drop_columns("lr"), "holds the columns of another table"),
        (ROWS.set_column(2, "seed", pa.array(["0", "1"])), "holds the columns of another table"),
        (ROWS.set_column(0, "trial_id", pa.array(["a", None])), "has rows without a trial_id"),
    ],
)
def test_rows_that_the_table_cannot_have_are_damaged(rows, message):
    content = encode(rows)
    with pytest.raises(DamagedError, match=message):
        decode(file_name(content, 1), content, TABLE)


def test_a_column_that_only_a_newer_version_can_know_is_refused_with_its_name():
    content = encode(ROWS.append_column("mood", pa.array([1, 2])))
    expected = f"schema {SCHEMA_VERSION}, with the columns mood.*this is version .*schema {SCHEMA_VERSION}"
    with pytest.raises(NewerError, match=expected):
        decode(file_name(content, 1), content, TABLE)
