"""The command, as a user gives it: what it prints, where it writes, how it exits."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from studies import load
from studies.cli import main

STUDY = """
name: s
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
seeds: 1
grid: {lr: [0.001], weight_decay: [0]}
optimizers: {adamw: {}}
"""


@pytest.fixture
def robustness(tmp_path, monkeypatch, capsys):
    """Give the command in a new folder, in this process."""

    def give(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["robustness", *arguments])
        with pytest.raises(SystemExit) as exit_of:
            main()
        printed = capsys.readouterr()
        return SimpleNamespace(returncode=exit_of.value.code, stdout=printed.out, stderr=printed.err)

    return give


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (("adamw: {}", "adamv: {}"), ["optimizers.adamv", "adamw"]),
        (("digits-mlp", "digits-mpl"), ["task", "digits-mpl", "digits-mlp"]),
        (("seeds: 1", "sedes: 1"), ["sedes", "seeds"]),
        (("adamw: {}", "adamw: {bta2: 0.9}"), ["optimizers.adamw.bta2", "beta2"]),
        (("[0.001]", "[-0.001]"), ["grid.lr", "-0.001"]),
        (("[0.001]", "[]"), ["grid.lr", "empty"]),
        (("adamw: {}", "ada2ms: {mixing: 1.5}"), ["optimizers.ada2ms.mixing", "1.5", "[0, 1]"]),
        (("name: s", "name: [unclosed"), ["s.yaml"]),
    ],
)
def test_a_wrong_study_is_one_line_and_exit_code_2_and_nothing_is_written(
    robustness, tmp_path, change, names
):
    (tmp_path / "s.yaml").write_text(STUDY.replace(*change))
    done = robustness("run", "s.yaml", "--workers", "0")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "s.yaml" in done.stderr
    for name in names:
        assert name in done.stderr
    assert os.listdir(tmp_path) == ["s.yaml"]


def test_an_unknown_preset_names_the_nearest(robustness, tmp_path):
    done = robustness("run", "quikstart")
    assert done.returncode == 2
    assert "quikstart" in done.stderr
    assert "'quickstart'" in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_line_and_exit_code_2(robustness, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = robustness("run", "smoke", "--workers", "0", "--out", "file/s")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "file/s" in done.stderr


@pytest.mark.parametrize("subcommand", ["report", "status"])
def test_reading_a_folder_without_a_study_is_one_line_and_exit_code_2(robustness, tmp_path, subcommand):
    done = robustness(subcommand, ".")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "holds no study" in done.stderr


def test_run_then_status_then_report(robustness, tmp_path):
    done = robustness("run", "smoke", "--workers", "0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ada2ms(mixing=0.5)" in done.stdout
    assert "reimplementation from the abstract" in " ".join(done.stdout.split())
    status = robustness("status", "runs/smoke")
    assert status.returncode == 0
    last = status.stdout.split("\n")[-3].split()
    assert last[0] == "all"
    planned, completed, diverged, failed, missing = map(int, last[1:])
    assert (planned, completed + diverged, failed, missing) == (18, 18, 0, 0)
    report = robustness("report", "runs/smoke")
    assert report.returncode == 0
    table = done.stdout[done.stdout.index("optimizer") : done.stdout.index("in runs/smoke: ")]
    assert report.stdout[report.stdout.index("optimizer") :].startswith(table)
    assert "T: transfer regret" in report.stdout
    assert {"metrics.csv", "metrics.tex", "best_of_k.csv"} <= set(os.listdir(tmp_path / "runs/smoke/tables"))


def test_a_failed_trial_is_exit_code_1_and_listed(robustness, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom robustness.tasks import load\n"
        "def broken(outputs, targets):\n    if len(targets) > 8:\n        raise KeyError('no such thing')\n"
        "    return outputs.mean()\n"
        "def task():\n    return replace(load('digits-mlp'), loss=broken)\n"
    )
    (tmp_path / "s.yaml").write_text(STUDY.replace("digits-mlp", "mine:task"))
    done = robustness("run", "s.yaml", "--workers", "0")
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "KeyError: 'no such thing'" in done.stdout


def test_plan_writes_nothing_and_names_trials_time_memory_and_disk(robustness, tmp_path):
    done = robustness("plan", "smoke")
    assert done.returncode == 0
    for word in ("digits-mlp", "adamw", "trials", "time", "memory", "disk"):
        assert word in done.stdout
    assert os.listdir(tmp_path) == []


def test_plan_without_a_study_lists_the_presets(robustness, tmp_path):
    done = robustness("plan")
    assert done.returncode == 0
    assert {"quickstart", "smoke", "lr-wd", "gradient-scale", "mixing"} <= set(done.stdout.split())


@pytest.mark.parametrize(
    ("subcommand", "word"), [("optimizers", "ada2ms"), ("tasks", "digits-cnn"), ("--help", "search")]
)
def test_lists_and_help_name_what_there_is(robustness, subcommand, word):
    done = robustness(subcommand)
    assert done.returncode == 0
    assert word in done.stdout


OWN = """
import torch

class Lion(torch.optim.SGD):
    def __init__(self, params, lr=0.1, betas=(0.9, 0.99), *, power):
        super().__init__(params, lr)
"""


def test_what_one_optimizer_takes_is_shown(robustness, tmp_path):
    (tmp_path / "shown_lion.py").write_text(OWN)
    done = robustness("optimizers", "shown_lion:Lion")
    assert done.returncode == 0
    for words in (
        "shown_lion.Lion",
        "no: one model at a time",
        "no: a study gives 0",
        "beta2",
        "power",
        "required",
    ):
        assert words in done.stdout
    assert "ns_steps" in robustness("optimizers", "torch.optim:Muon").stdout
    assert "evaluates the model itself" in robustness("optimizers", "torch.optim:LBFGS").stdout


def test_a_name_of_no_optimizer_is_refused_in_one_line(robustness):
    for name in ("adamww", "torch.optim:Lion"):
        done = robustness("optimizers", name)
        assert done.returncode == 2
        assert name in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_the_installed_command_answers_in_a_process_of_its_own():
    done = subprocess.run(
        [Path(sys.executable).with_name("robustness"), "--help"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0
    assert "robustness run quickstart" in done.stdout


SEARCH = """
name: s
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
seeds: 2
grid: {lr: [0.001, 0.01], weight_decay: [0]}
optimizers: {adamw: {}, ada2ms: {}}
search: {optimizer: ada2ms, space: {mixing: {low: 0, high: 1}}, trials: 2, confirm: 2}
"""


def test_search_prints_the_front_beside_the_references(robustness, tmp_path):
    (tmp_path / "s.yaml").write_text(SEARCH)
    done = robustness("search", "s.yaml", "--workers", "0", "--engine", "sequential")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 points, " in done.stdout
    assert "adamw" in done.stdout
    assert "fresh seeds" in done.stdout
    assert (tmp_path / "runs/s/search/front.pdf").stat().st_size > 1000


@pytest.mark.parametrize(
    ("change", "arguments", "names"),
    [
        (("high: 1", "high: 2"), (), ["s.yaml", "search.space.mixing", "[0, 1]"]),
        (("search:", "# search:"), (), ["search: is required"]),
        (("", ""), ("--trials", "0"), ["--trials: 0"]),
        (("", ""), ("--storage", "nodb://x"), ["--storage: nodb://x"]),
        (("", ""), ("--out", "s3://bucket/folder"), ["--storage: is required", "s3://bucket/folder"]),
    ],
)
def test_a_wrong_search_is_one_line_and_exit_code_2(robustness, tmp_path, change, arguments, names):
    (tmp_path / "s.yaml").write_text(SEARCH.replace(*change) if change[0] else SEARCH)
    done = robustness("search", "s.yaml", "--workers", "0", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    for name in names:
        assert name in done.stderr
    assert os.listdir(tmp_path) == ["s.yaml"]


# once the run is on record: what fails before that is refused before anything is trained
BROKEN = """
import os
from dataclasses import replace
import torch
from robustness.tasks import load

def loss(outputs, targets):
    if os.path.exists("broken") and os.path.exists("runs/s/provenance.json"):
        raise RuntimeError("the library\\nis away")
    return torch.nn.functional.cross_entropy(outputs, targets)

def make():
    return replace(load("digits-mlp"), loss=loss)
"""


def test_trials_that_all_fail_for_one_reason_stop_the_run_and_the_same_command_tries_again(
    robustness, tmp_path
):
    (tmp_path / "broken").touch()
    (tmp_path / "broken_task.py").write_text(BROKEN)
    study = STUDY.replace("digits-mlp", "broken_task:make").replace("seeds: 1", "seeds: 21")
    (tmp_path / "s.yaml").write_text(study)
    give = ("run", "s.yaml", "--workers", "0", "--engine", "sequential")
    done = robustness(*give)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "20 trials all failed for one reason: RuntimeError: the library is away" in done.stderr
    assert "Traceback" not in done.stdout
    (tmp_path / "broken").unlink()
    assert robustness(*give).returncode == 0
    assert set(load(tmp_path / "runs" / "s")["status"]) == {"completed"}
