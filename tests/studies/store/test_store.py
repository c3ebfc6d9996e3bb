"""The store: what is written is there whole, once, and in a fixed order."""

import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from studies.spec.errors import StoreError
from studies.store.schema import CURVE_SCHEMA, ROW_SCHEMA, by_losses
from studies.store.store import Store, load, load_curves


def row(trial_id, **values):
    return {"trial_id": trial_id, "label": "adamw", "lr": 1e-3, "seed": 0, "status": "completed", **values}


def curve(trial_id, epoch=0):
    return {"trial_id": trial_id, "epoch": epoch, "split": "val", "loss": 1.0, "accuracy": 0.5}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "study")
    store.write_study("name: s\n")
    return store


def test_rows_have_all_columns_of_the_schema_whatever_was_given(store):
    store.append([row("a", mixing=0.5)], [curve("a")])
    rows = load(store.location)
    assert list(rows.columns) == ROW_SCHEMA.names
    assert rows.loc[0, "mixing"] == 0.5
    assert pd.isna(rows.loc[0, "exponent"])
    assert list(load_curves(store.location).columns) == CURVE_SCHEMA.names


def test_an_empty_study_has_no_rows_but_all_columns(store):
    assert list(load(store.location).columns) == ROW_SCHEMA.names
    assert load(store.location).empty
    assert load_curves(store.location).empty


def test_the_order_of_rows_does_not_depend_on_the_order_of_writing(store, tmp_path):
    other = Store(tmp_path / "other")
    other.write_study("name: s\n")
    for trial_id in "cab":
        store.append([row(trial_id, lr=ord(trial_id))], [])
    other.append([row(trial_id, lr=ord(trial_id)) for trial_id in "abc"], [])
    pd.testing.assert_frame_equal(store.rows(), other.rows())


def test_a_trial_written_twice_is_read_once(store):
    store.append([row("a")], [curve("a")])
    store.append([row("a")], [curve("a")])
    assert len(store.rows()) == 1
    assert len(store.curves()) == 1
    assert store.trial_ids() == {"a"}


def test_a_file_that_is_still_being_written_is_not_read(store, tmp_path):
    store.append([row("a")], [])
    (tmp_path / "study" / "rows" / "half.parquet.writing").write_bytes(b"PAR1")
    assert store.trial_ids() == {"a"}


def test_curves_without_their_row_are_not_read(store):
    store.append([row("a")], [curve("a")])
    orphan = pa.Table.from_pylist([curve("never-finished")], schema=CURVE_SCHEMA)
    pq.write_table(orphan, Path(store.root) / "curves" / "orphan.parquet")
    assert set(store.curves()["trial_id"]) == {"a"}


def test_a_value_of_the_wrong_type_is_refused_and_nothing_is_stored(store):
    with pytest.raises(pa.ArrowTypeError):
        store.append([row("a", status=3.5)], [])
    assert store.trial_ids() == set()


def test_a_folder_without_a_study_is_a_clear_error(tmp_path):
    with pytest.raises(StoreError, match="holds no study"):
        load(tmp_path)


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written to"):
        Store(tmp_path / "file" / "study").write_study("name: s\n")


def test_an_address_that_means_nothing_is_a_clear_error():
    with pytest.raises(StoreError, match="not a folder that can be opened"):
        Store("nowhere://bucket")


def test_older_rows_are_read_by_their_losses_and_stay_as_they_are_on_disk(store):
    losses = {"init_loss": 2.0, "train_loss": 3.0, "val_loss": 3.0, "test_loss": 3.0}
    above = {"status": "diverged", "reason": "final training loss above the loss at initialization"}
    store.append(
        [
            row("above", **losses, **above),
            row("endless", **{**losses, "val_loss": math.inf}, **above),
            row(
                "stopped",
                init_loss=2.0,
                status="diverged",
                stopped_step=3,
                reason="non-finite loss or parameters",
            ),
            row("fine", **{**losses, "train_loss": 0.5}),
            row("downward", **{**losses, "init_loss": -1.0, "train_loss": -2.0}),
        ],
        [],
    )
    rows = load(store.location).set_index("trial_id")
    assert set(rows.index[rows["status"] == "diverged"]) == {"endless", "stopped"}
    assert pd.isna(rows.loc["above", "reason"])
    assert rows.loc["stopped", "reason"] == "non-finite loss or parameters"
    ratio = rows["final_over_initial"]
    assert (ratio["above"], ratio["fine"]) == (1.5, 0.25)
    assert ratio[["stopped", "downward"]].isna().all()
    (part,) = Path(store.location, "rows").glob("*.parquet")
    on_disk = pq.read_table(part, columns=["trial_id", "status"]).to_pydict()
    assert dict(zip(on_disk["trial_id"], on_disk["status"], strict=True))["above"] == "diverged"


def test_a_part_without_the_ratio_has_it_where_the_losses_are(store):
    older = ROW_SCHEMA.remove(ROW_SCHEMA.get_field_index("final_over_initial"))
    losses = {"init_loss": 2.0, "train_loss": 1.0, "val_loss": 1.0, "test_loss": 1.0}
    rows = pa.Table.from_pylist([row("a", **losses)], schema=older).to_pandas()
    assert by_losses(rows.assign(final_over_initial=float("nan")))["final_over_initial"].tolist() == [0.5]
