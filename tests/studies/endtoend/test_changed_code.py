"""The code of a user's task, edited between two runs: refused, or trained again, or kept as one and said."""

import json
import os
import sys
from types import SimpleNamespace

import pytest

from studies import load
from studies.cli import main

STUDY = """
name: s
task: "edited_task:make"
budget: {epochs: 1, batch_size: 64}
seeds: SEEDS
grid: {lr: [0.01], weight_decay: [0]}
optimizers: {adamw: {}, sgd: {lr: [0.1, 1.0e+20]}}
search: {optimizer: sgd, space: {momentum: [0.0, 0.9]}, sampler: grid}
"""
TASK = """
from dataclasses import replace
from robustness.tasks import load
from edited_helper import FACTOR

def make():
    return replace(load("digits-mlp"), version="VERSION")
"""


@pytest.fixture
def give(tmp_path, monkeypatch, capsys):
    """Give the command in a new folder with a study, its task and a module beside the task, each of some version."""

    def give(*arguments, seeds=1, version="1", factor=1):
        (tmp_path / "s.yaml").write_text(STUDY.replace("SEEDS", str(seeds)))
        (tmp_path / "edited_task.py").write_text(TASK.replace("VERSION", version))
        (tmp_path / "edited_helper.py").write_text(f"FACTOR = {factor}\n")
        for module in ("edited_task", "edited_helper"):
            sys.modules.pop(module, None)
        monkeypatch.chdir(tmp_path)
        own = () if arguments[0] in ("status", "report") else ("--workers", "0", "--engine", "sequential")
        monkeypatch.setattr(sys, "argv", ["robustness", *arguments, *own])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=printed.out, err=printed.err)

    return give


def codes(folder):
    return load(folder)["task_code"].value_counts().tolist()


@pytest.mark.parametrize("command", ["run", "plan", "search"])
def test_a_study_whose_tasks_code_has_changed_is_refused_in_one_line(give, tmp_path, command):
    assert give("run", "s.yaml").code == 0
    content = sorted(os.walk("runs/s"))
    refused = give(command, "s.yaml", seeds=1 + (command != "search"), factor=2)
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert f"{tmp_path}/edited_task.py: has changed since it trained 3 stored rows in runs/s" in refused.err
    assert "raise the task's version" in refused.err
    assert "--accept-changed-code" in refused.err
    assert sorted(os.walk("runs/s")) == content
    assert give("run", "s.yaml", factor=1).code == 0  # put back: nothing has changed


def test_a_raised_version_trains_everything_again(give):
    give("run", "s.yaml")
    done = give("run", "s.yaml", version="2", factor=2)
    assert done.code == 0
    assert (
        "the task's version: 1 -> 2: no longer asked for, so hidden and not deleted: 3 stored rows"
        in done.out
    )
    assert codes("runs/s") == [3, 3]
    assert "versions of its code" not in give("status", "runs/s").out


def test_accepted_code_is_kept_as_one_recorded_and_said_by_readers(give, tmp_path):
    give("run", "s.yaml")
    done = give("run", "s.yaml", "--accept-changed-code", seeds=2, factor=2)
    said = "what earlier code has trained counts as trained by the code as it is now: 3 stored rows"
    assert done.code == 0
    assert said in done.out
    assert codes("runs/s") == [3, 3]
    again = give("run", "s.yaml", seeds=2, factor=2)  # accepted once, and said every time
    assert again.code == 0
    assert said in again.out
    for reader in ("status", "report"):
        assert (
            "edited_task:make: rows of 2 versions of its code are averaged as one (3 of"
            in give(reader, "runs/s").out
        )
    assert "rows of 2 versions of its code" in (tmp_path / "runs/s/report.html").read_text()
    (first, second, third) = json.loads((tmp_path / "runs/s/provenance.json").read_text())["runs"]
    assert second["task"]["accepted"] == third["task"]["accepted"] == [first["task"]["code"]]
    assert give("run", "s.yaml", seeds=2, factor=3).code == 2


def test_rows_of_programs_that_recorded_no_code_are_taken_as_they_are(give, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("robustness.tasks.registry.source_code", lambda name: None)
        assert give("run", "s.yaml").code == 0
    assert give("run", "s.yaml", seeds=2, factor=2).code == 0
    assert codes("runs/s") == [3]
    assert "versions of its code" not in give("status", "runs/s").out
