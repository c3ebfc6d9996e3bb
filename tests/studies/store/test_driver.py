"""Who drives a study: described so that anyone can tell whether that very process is still running."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace

import pytest

from studies.store.driver import Driver, process_start


def test_a_driver_is_read_back_from_its_lock_file_and_shown_with_host_process_and_start():
    driver = replace(Driver.here(), began=0.0)
    assert Driver.from_bytes(json.dumps(asdict(driver)).encode()) == driver
    assert str(driver) == f"host {driver.host}, pid {os.getpid()}, started 1970-01-01 00:00:00 UTC"


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"host": "a", "mood": 1}'])
def test_a_lock_file_that_cannot_be_understood_describes_nobody(content):
    assert Driver.from_bytes(content) is None


def test_this_process_runs_and_one_of_its_number_that_began_otherwise_does_not():
    driver = Driver.here()
    assert driver.runs() is True
    assert replace(driver, process_start=1).runs() is False
    assert replace(driver, process_start=None).runs() is None


@pytest.mark.parametrize("where", [{"host": "elsewhere"}, {"machine": "another boot"}])
def test_nothing_is_known_of_processes_of_another_machine(where):
    assert replace(Driver.here(), **where).runs() is None


def test_a_process_that_has_ended_does_not_run_even_before_its_parent_looks():
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.DEVNULL)
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # ended, and still in the table of processes
    assert process_start(ended.pid) == -1
    assert replace(Driver.here(), pid=ended.pid).runs() is False
    ended.wait()
    assert process_start(ended.pid) is None
    assert replace(Driver.here(), pid=ended.pid).runs() is False
