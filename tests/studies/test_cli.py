"""The command, as a user gives it: what it prints, where it writes, how it exits."""

import os
import subprocess
import sys

import pytest

STUDY = """
name: s
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
seeds: 1
grid: {lr: [0.001], weight_decay: [0]}
optimizers: {adamw: {}}
"""


def robustness(*arguments, cwd):
    command = [sys.executable, "-m", "studies.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120)


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
def test_a_wrong_study_is_one_line_and_exit_code_2_and_nothing_is_written(tmp_path, change, names):
    (tmp_path / "s.yaml").write_text(STUDY.replace(*change))
    done = robustness("run", "s.yaml", "--workers", "0", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1
    assert "s.yaml" in done.stderr
    for name in names:
        assert name in done.stderr
    assert os.listdir(tmp_path) == ["s.yaml"]


def test_an_unknown_preset_names_the_nearest(tmp_path):
    done = robustness("run", "quikstart", cwd=tmp_path)
    assert done.returncode == 2
    assert "quikstart" in done.stderr
    assert "'quickstart'" in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_one_line_and_exit_code_2(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = robustness("run", "smoke", "--workers", "0", "--out", "file/s", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "file/s" in done.stderr


@pytest.mark.parametrize("subcommand", ["report", "status"])
def test_reading_a_folder_without_a_study_is_one_line_and_exit_code_2(tmp_path, subcommand):
    done = robustness(subcommand, ".", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "holds no study" in done.stderr


def test_run_then_status_then_report(tmp_path):
    done = robustness("run", "smoke", "--workers", "0", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ada2ms(mixing=0.5)" in done.stdout
    assert "reimplementation from the abstract" in " ".join(done.stdout.split())
    status = robustness("status", "runs/smoke", cwd=tmp_path)
    assert status.returncode == 0
    last = status.stdout.split("\n")[-3].split()
    assert last[0] == "all"
    assert last[1] == last[2]
    assert last[3:] == ["0", "0", "0"]
    report = robustness("report", "runs/smoke", cwd=tmp_path)
    assert report.returncode == 0
    table = done.stdout[done.stdout.index("optimizer") :]
    assert report.stdout[report.stdout.index("optimizer") :] == table


def test_a_failed_trial_is_exit_code_1_and_listed(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from dataclasses import replace\nfrom robustness.tasks import load\n"
        "def broken(outputs, targets):\n    raise KeyError('no such thing')\n"
        "def task():\n    return replace(load('digits-mlp'), loss=broken)\n"
    )
    (tmp_path / "s.yaml").write_text(STUDY.replace("digits-mlp", "mine:task"))
    done = robustness("run", "s.yaml", "--workers", "0", cwd=tmp_path)
    assert done.returncode == 1
    assert "1 failed" in done.stdout
    assert "KeyError: 'no such thing'" in done.stdout


def test_plan_writes_nothing_and_names_trials_time_memory_and_disk(tmp_path):
    done = robustness("plan", "smoke", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("digits-mlp", "adamw", "trials", "time", "GB", "MB"):
        assert word in done.stdout
    assert os.listdir(tmp_path) == []


def test_plan_without_a_study_lists_the_presets(tmp_path):
    done = robustness("plan", cwd=tmp_path)
    assert done.returncode == 0
    assert {"quickstart", "smoke", "lr-wd", "gradient-scale", "mixing"} <= set(done.stdout.split())


@pytest.mark.parametrize(("subcommand", "word"), [("optimizers", "ada2ms"), ("tasks", "digits-cnn"), ("--help", "run")])
def test_lists_and_help_name_what_there_is(tmp_path, subcommand, word):
    done = robustness(subcommand, cwd=tmp_path)
    assert done.returncode == 0
    assert word in done.stdout
