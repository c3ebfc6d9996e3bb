"""The report of one study or several: what it writes, and what it refuses."""

import json
import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest

import studies
from studies.reports.report import report
from studies.spec.errors import StoreError
from studies.store.store import Store

STUDY = """
name: {name}
task: "{task}"
budget: {{epochs: 1, batch_size: 64}}
seeds: 2
grid: {{lr: [0.003, 0.01, 0.03], weight_decay: [0], grad_scale: [1, 10]}}
optimizers: {{adamw: {{}}, sgd: {{}}}}
"""
REGRESSION = """
import torch
from torch import nn
from robustness.tasks import Split, Task

def regression():
    x = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
    splits = [Split(x[i::3], x[i::3].sum(1, keepdim=True)) for i in range(3)]
    return Task("regression", *splits, lambda: nn.Linear(4, 1), loss=nn.functional.mse_loss, correct=None)
"""
TASKS = "from robustness.tasks import load\ndef second():\n    return load('digits-mlp')\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("studies")
    (place / "reporttasks.py").write_text(TASKS)
    for name, task in (("one", "digits-mlp"), ("two", "reporttasks:second")):
        (place / f"{name}.yaml").write_text(STUDY.format(name=name, task=task))
        studies.run(str(place / f"{name}.yaml"), out=place / name, workers=0)
    return place


def test_one_folder_is_written_in_place(folders):
    made = report(folders / "one")
    assert made.location == str(folders / "one")
    metrics = pd.read_csv(folders / "one/tables/metrics.csv")
    assert metrics["label"].tolist() == ["adamw", "sgd"]
    assert metrics[["transfer_regret", "transfer_regret_low", "gap"]].notna().to_numpy().all()
    assert (folders / "one/tables/metrics.tex").read_text().count(r"\\") == 3
    assert {"summary.csv", "figures/lr-gradient-scale.pdf", "tables/best_of_k.csv"} <= set(made.files)


def test_several_folders_are_several_workloads(folders, tmp_path):
    made = report(folders / "one", folders / "two", out=tmp_path / "both")
    assert made.tables["metrics"]["task"].nunique() == 2
    assert made.tables["wilcoxon_holm"]["workloads"].tolist() == [2]
    assert made.tables["performance_profile"]["workloads"].unique().tolist() == [2]
    assert (tmp_path / "both/figures/digits-mlp/lr-weight-decay.pdf").is_file()
    assert len(list((tmp_path / "both/figures").iterdir())) == 2


def test_a_task_that_two_folders_hold_is_refused(folders, tmp_path):
    shutil.copytree(folders / "one", tmp_path / "again")
    with pytest.raises(StoreError, match="again: holds the task 'digits-mlp', and so does .*one"):
        report(folders / "one", tmp_path / "again", out=tmp_path / "out")
    with pytest.raises(StoreError, match="--out: 2 folders together need a folder"):
        report(folders / "one", folders / "two")
    assert not (tmp_path / "out").exists()


def test_the_same_folder_twice_is_one_line(folders, tmp_path):
    with pytest.raises(StoreError, match="one: is given twice; each folder may be in a report once"):
        report(folders / "one", folders / "one", out=tmp_path / "out")


@pytest.fixture(scope="module")
def regression(tmp_path_factory):
    place = tmp_path_factory.mktemp("regression")
    (place / "reportregression.py").write_text(REGRESSION)
    text = STUDY.format(name="r", task="reportregression:regression").replace(
        "batch_size: 64", "batch_size: 8"
    )
    (place / "r.yaml").write_text(text + "extend: {decades: 1}\nconfirm: 1\n")
    outcome = studies.run(str(place / "r.yaml"), out=place / "r", workers=0)
    assert (outcome.failed, outcome.missing, outcome.left_out) == ([], 0, [])
    return place / "r"


def test_a_regression_is_extended_confirmed_and_reported_on_by_its_loss(regression):
    rows = studies.load(regression)
    grid = rows[(rows["role"] == "grid") & (rows["grad_scale"] == 1)]
    losses = grid["val_loss"].clip(upper=grid["chance_metric"])
    means = losses.groupby([grid["label"], grid["lr"]]).mean()
    for label, fresh in rows[rows["role"] == "confirm"].groupby("label"):
        assert fresh["lr"].tolist() == [means[label].idxmin()]
    assert len(rows[rows["role"] == "grid"]) > 24
    assert pd.read_csv(regression / "summary.csv")["metric"].tolist() == ["loss", "loss"]


def test_a_regression_of_an_earlier_program_is_left_out_in_one_line(regression, tmp_path):
    rows = studies.load(regression)
    judged = [name for name in rows if "metric" in name]
    old = rows.assign(**dict.fromkeys(judged)).astype(object)
    store = Store(tmp_path / "r")
    store.write_file("study.yaml", (regression / "study.yaml").read_bytes())
    known = json.loads((regression / "task.json").read_text())
    del known["metric"]
    store.write_file("task.json", json.dumps(known).encode())
    with store.driving():
        store.append(old.where(old.notna(), None).to_dict("records"), [])
    written = report(tmp_path / "r")
    (line,) = written.left_out
    assert line.startswith(
        "no accuracy in these rows: tables by error are left out (task reportregression:regress"
    )
    assert line in (tmp_path / "r" / "report.html").read_text("utf-8")
    command = [sys.executable, "-m", "studies.cli", "report", str(tmp_path / "r")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert shown.count("no accuracy in these rows") == 1
    (reason,) = [
        why for name, why in studies.figures(tmp_path / "r").left_out.items() if "regression" in name
    ]
    assert reason == line


def test_a_terminal_that_knows_ascii_alone_shows_the_report(folders):
    command = [sys.executable, "-m", "studies.cli", "report", str(folders / "one")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LANG": "C"}
    shown = subprocess.run(command, capture_output=True, env=environment, check=True).stdout.decode("ascii")
    assert " +- " in shown
    assert "?" not in shown
