"""Parts: merged without a change to what is read, on a disk and on an S3 server."""

import os

import boto3
import pytest
from moto.server import ThreadedMotoServer

from studies.store import table
from studies.store.store import Store, load, load_curves
from studies.store.table import mergeable


@pytest.fixture(scope="module")
def bucket():
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    values = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in values.items():
            patch.setitem(os.environ, name, value)
        boto3.client("s3").create_bucket(Bucket="studies")
        yield "s3://studies"
    server.stop()


def row(trial_id, **values):
    return {"trial_id": trial_id, "label": "adamw", "status": "completed", **values}


def curve(trial_id):
    return [{"trial_id": trial_id, "epoch": 0, "split": "val", "loss": 1.0, "accuracy": 0.5}]


@pytest.mark.parametrize("where", ["disk", "s3"])
def test_merged_parts_read_as_before_and_the_last_row_of_a_trial_counts(
    where, tmp_path, monkeypatch, request
):
    location = tmp_path / "s" if where == "disk" else request.getfixturevalue("bucket") + "/a/s"
    monkeypatch.setattr(table, "MANY_PARTS", 4)
    store = Store(location)
    store.write_study("name: s\n")
    for index, trial_id in enumerate("abcab"):
        store.append([row(trial_id, lr=float(index))], curve(trial_id))
    assert list(load(location)["lr"]) == [2.0, 3.0, 4.0]
    before, curves = load(location), load_curves(location)
    with store.driving():
        assert len(store.files.list("rows")) == 1
        assert load(location).equals(before)
        assert load_curves(location).equals(curves)


def test_a_part_that_was_merged_but_not_deleted_yet_is_not_read_and_then_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(table, "MANY_PARTS", 2)
    store = Store(tmp_path / "s")
    for trial_id in "ab":
        store.append([row(trial_id)], [])
    old = {path: path.read_bytes() for path in (tmp_path / "s" / "rows").iterdir()}
    with store.driving():
        pass
    for path, content in old.items():  # as a driver killed before it deleted them leaves them
        path.write_bytes(content)
    assert store._rows.read().num_rows == 2
    store._rows.tidy()
    assert len(store.files.list("rows")) == 1


def test_only_small_neighbours_are_merged():
    big = table.MERGED_BYTES
    assert mergeable({"a": 1, "b": 1, "c": big, "d": 1, "e": big, "f": 2, "g": 3}) == [["a", "b"], ["f", "g"]]
    assert mergeable({}) == []
