"""Provenance: every run is on record, when it begins and when it ends."""

import json
import re
import subprocess
import sys
from datetime import datetime

import pytest

from robustness import __version__
from studies import StoreError, StudySpec, run
from studies.store.provenance import command, git_state, hardware, package_versions


def tiny(**changes):
    settings = {
        "name": "tiny",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": [1e-2], "weight_decay": [0.0]},
        "optimizers": {"sgd": {}},
    }
    return StudySpec(**{**settings, **changes})


def record(folder):
    return json.loads((folder / "provenance.json").read_text())["runs"]


def test_every_run_is_recorded_with_what_it_needed(tmp_path):
    for seeds in (1, 2):
        run(tiny(seeds=seeds), out=tmp_path, workers=0, engine="sequential")
    first, second = record(tmp_path)
    assert [entry["outcome"] for entry in (first, second)] == ["completed", "completed"]
    assert datetime.fromisoformat(first["start"]) <= datetime.fromisoformat(first["end"])
    assert StudySpec.from_text(first["study"], "record") == tiny()
    assert StudySpec.from_text(second["study"], "record") == tiny(seeds=2)
    assert first["task"]["version"] == "1"
    assert first["engine"]["name"] == "sequential"
    assert first["versions"]["ada2ms-robustness"] == __version__
    assert first["workers"] == {"count": 0, "address": None, "device": "cpu"}
    assert first["hardware"]["cores"] >= 1
    assert first["command"] == command()


# measuring which engine is the faster one comes before the record
FAILING = """
import os
from dataclasses import replace
import torch
from robustness.tasks import load

def loss(outputs, targets):
    if os.path.exists(os.path.join(os.path.dirname(__file__), "out", "provenance.json")):
        raise {error}
    return torch.nn.functional.cross_entropy(outputs, targets)

def make():
    return replace(load("digits-mlp"), loss=loss)
"""


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [("KeyboardInterrupt", "interrupted", 130), ("ValueError('no')", "1 failed, 0 not run", 1)],
)
def test_how_a_run_ended_is_recorded(tmp_path, error, outcome, code):
    module = f"ending_{code}"
    (tmp_path / f"{module}.py").write_text(FAILING.format(error=error))
    path = tmp_path / "own.yaml"
    path.write_text(tiny(task=f"{module}:make").to_yaml())
    if code == 130:
        with pytest.raises(KeyboardInterrupt):
            run(path, out=tmp_path / "out", workers=0, engine="sequential")
    else:
        run(path, out=tmp_path / "out", workers=0, engine="sequential")
    (entry,) = record(tmp_path / "out")
    assert (entry["outcome"], entry["exit_code"]) == (outcome, code)


def test_a_run_that_was_killed_has_no_end(tmp_path):
    (tmp_path / "ending_kill.py").write_text(FAILING.format(error="SystemExit(__import__('os')._exit(9))"))
    path = tmp_path / "own.yaml"
    path.write_text(tiny(task="ending_kill:make").to_yaml())
    arguments = ["run", str(path), "--out", str(tmp_path / "out"), "--workers", "0", "--engine", "sequential"]
    done = subprocess.run([sys.executable, "-m", "studies.cli", *arguments], capture_output=True, timeout=300)
    assert done.returncode == 9
    (entry,) = record(tmp_path / "out")
    assert (entry["outcome"], entry["end"]) == ("running", None)
    assert entry["command"][1:3] == ["-m", "studies.cli"]


@pytest.mark.parametrize("content", [b"{", b'{"runs": 3}', b"[]", b"\xff", b'{"runs": [1]}'])
def test_a_damaged_record_is_refused_before_anything_is_trained(tmp_path, content):
    (tmp_path / "provenance.json").write_bytes(content)
    with pytest.raises(StoreError, match=r"provenance.json: is damaged: move it away"):
        run(tiny(), out=tmp_path, workers=0, engine="sequential")
    assert (tmp_path / "provenance.json").read_bytes() == content


def git(folder, *arguments):
    names = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_commit_and_whether_it_was_dirty(tmp_path):
    assert git_state(tmp_path, "s.yaml") is None
    (tmp_path / "s.yaml").write_text("a")
    git(tmp_path, "init", "-q")
    assert git_state(tmp_path, "s.yaml") is None  # not tracked: the commit says nothing of it
    git(tmp_path, "add", "s.yaml")
    git(tmp_path, "commit", "-qm", "one")
    clean = git_state(tmp_path, "s.yaml")
    assert re.fullmatch("[0-9a-f]{40}", clean["commit"])
    assert clean["dirty"] is False
    (tmp_path / "s.yaml").write_text("b")
    assert git_state(tmp_path, "s.yaml") == {**clean, "dirty": True}


def test_a_password_in_an_address_is_not_written_down(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["robustness", "run", "x", "--out", "s3://key:secret@bucket/runs"])
    assert command() == ["robustness", "run", "x", "--out", "s3://***@bucket/runs"]


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (["/opt/bin/python", "/opt/bin/robustness", "run", "x"], ["robustness", "run", "x"]),
        (["/opt/bin/python", "-m", "studies.cli", "run", "x"], ["python", "-m", "studies.cli", "run", "x"]),
        (["/opt/bin/python", "sweep.py"], ["python", "sweep.py"]),
    ],
)
def test_a_command_is_written_as_one_would_give_it(monkeypatch, given, written):
    monkeypatch.setattr(sys, "orig_argv", given)
    monkeypatch.setattr(sys, "argv", ["/opt/studies/cli.py", "run", "x"] if "-m" in given else given[1:])
    assert command() == written


def test_versions_and_hardware_are_those_of_this_machine():
    import torch

    assert package_versions()["torch"] == torch.__version__.partition("+")[0]
    assert len(hardware()["gpus"]) == torch.cuda.device_count()
