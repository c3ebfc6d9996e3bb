"""Files of a study's folder: there whole or not at all, whatever goes wrong while they are written."""

import errno
import os

import pytest

from studies.spec.errors import StoreError, SweepError
from studies.store.files import Files, writing
from studies.store.layout import WRITING_SUFFIX


def test_a_file_is_written_below_folders_that_are_not_there_yet(tmp_path):
    files = Files(tmp_path / "a" / "b")
    files.write("rows/part", b"content")
    assert files.read("rows/part") == b"content"
    assert files.list("rows") == {"part": 7}
    assert files.list("nowhere") == {}


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    files = Files(tmp_path)
    files.write("task.json", b"old")

    def full(descriptor):
        assert [name for name in os.listdir(tmp_path) if name.endswith(WRITING_SUFFIX)]
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="full"):
        files.write("task.json", b"new")
    assert files.list() == {"task.json": 3}
    assert files.read("task.json") == b"old"


def test_content_is_on_the_disk_before_the_name_and_the_name_before_write_returns(tmp_path, monkeypatch):
    files, done = Files(tmp_path), []
    monkeypatch.setattr(files, "_sync", lambda path: done.append(os.path.basename(path)))
    files.write("part", b"content")
    assert done[0].startswith("part.")
    assert done[0].endswith(WRITING_SUFFIX)
    assert done[1:] == [tmp_path.name]


def test_a_file_system_that_cannot_flush_folders_is_no_error(tmp_path, monkeypatch):
    def refused(descriptor):
        raise OSError(errno.EINVAL, "not for folders")

    monkeypatch.setattr(os, "fsync", refused)
    Files(tmp_path).write("part", b"content")
    assert Files(tmp_path).read("part") == b"content"


def test_a_file_is_moved_into_a_new_folder_and_deleted_without_fuss(tmp_path):
    files = Files(tmp_path)
    files.write("rows/part", b"content")
    files.move("rows/part", "damaged/rows-part")
    assert (files.exists("rows/part"), files.exists("damaged/rows-part")) == (False, True)
    files.delete("damaged/rows-part")
    files.delete("damaged/rows-part")
    files.delete_if_empty()  # it holds two folders
    assert tmp_path.is_dir()


@pytest.mark.parametrize(
    ("number", "started", "kind", "message"),
    [
        (errno.ENOSPC, False, SweepError, "No space left on device; what was stored is kept: make room"),
        (errno.EIO, True, SweepError, "what was stored is kept: give the same command again"),
        (errno.EACCES, False, StoreError, "cannot be written to"),
    ],
)
def test_an_error_of_the_disk_is_one_line(number, started, kind, message):
    with pytest.raises(kind, match=message) as caught, writing("runs/tiny", started=started):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).startswith("runs/tiny: cannot be written to: ")
