"""One try of what the scripts beside this file do many times, and Ctrl-C with real signals."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import kill_worker
from harness import STUDY, Run, orphans, stored, wait_for

from studies import run as run_study

pytestmark = pytest.mark.ray
SHORT = STUDY.replace("seeds: 3", "seeds: 1")
LONG = STUDY.replace("epochs: 15", "epochs: 200")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    (folder / "faults.yaml").write_text(SHORT)
    run_study(folder / "faults.yaml", out=folder / "undisturbed", workers=0, engine="sequential")
    return folder


def test_a_killed_worker_changes_nothing(undisturbed):
    study, out = undisturbed / "faults.yaml", undisturbed / "killed"
    good, line = kill_worker.attempt(study, out, undisturbed / "undisturbed", random.Random(0), [])
    assert good, line


def test_ctrl_c_stores_what_is_finished_and_the_same_command_goes_on(tmp_path):
    (tmp_path / "faults.yaml").write_text(LONG)
    run = Run(tmp_path / "faults.yaml", tmp_path / "out", "--workers", "2", "--engine", "sequential")
    assert wait_for(lambda: stored(tmp_path / "out") > 0 or run.process.poll() is not None)
    os.killpg(run.process.pid, signal.SIGINT)
    code, output = run.finish()
    assert code == 130
    assert [line for line in output.splitlines() if "interrupted" in line] == output.splitlines()[-1:]
    assert "Traceback" not in output
    assert 0 < stored(tmp_path / "out") < 60
    ended, line = orphans([run])
    assert ended, line


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    (tmp_path / "faults.yaml").write_text(LONG)
    run = Run(tmp_path / "faults.yaml", tmp_path / "out", "--workers", "1", "--engine", "sequential")
    assert wait_for(run.workers)
    os.killpg(run.process.pid, signal.SIGINT)
    time.sleep(0.3)
    os.killpg(run.process.pid, signal.SIGINT)
    code, output = run.finish()
    assert code == 130
    assert "Traceback" not in output
    ended, line = orphans([run])
    assert ended, line
