"""One driver per folder, wherever it runs and however it ended."""

import json
from dataclasses import asdict, replace

import pytest

from studies.spec.errors import StoreError, SweepError
from studies.store.driver import Driver
from studies.store.files import Files
from studies.store.lock import Lock


def lock(files):
    return Lock(files, beat_seconds=0.05, lease_seconds=0.5)


def leave(files, driver):
    files.write("driver-other.lock", json.dumps(asdict(replace(driver, holds=True))).encode())


def test_a_second_driver_is_refused_until_the_first_ends(tmp_path):
    files = Files(tmp_path)
    with lock(files) as first, pytest.raises(StoreError, match=f"pid {first.driver.pid}, started"):
        lock(files).__enter__()
    with lock(files):
        assert len(list(tmp_path.glob("*.lock"))) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changes", [{"pid": 2**22 + 1}, {"process_start": 1}])
def test_a_lock_whose_process_is_gone_or_another_by_now_is_taken_over(tmp_path, caplog, changes):
    files = Files(tmp_path)
    leave(files, replace(Driver.here(), **changes))
    with lock(files):
        assert "no longer runs" in caplog.text


def test_a_lock_of_another_host_is_taken_over_when_its_driver_gives_no_sign_of_life(tmp_path, caplog):
    files = Files(tmp_path)
    leave(files, replace(Driver.here(), host="elsewhere"))
    with lock(files):
        assert "waiting up to" in caplog.text
        assert not files.exists("driver-other.lock")


def test_a_driver_whose_lock_was_taken_stops(tmp_path):
    files = Files(tmp_path)
    with lock(files) as held:
        files.delete(held.name)
        held._thread.join(timeout=60)
        with pytest.raises(SweepError, match="taken the folder over"):
            held.check()
