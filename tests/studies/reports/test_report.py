"""The report of one study or several: what it writes, and what it refuses."""

import shutil

import pandas as pd
import pytest

import studies
from studies.reports.report import report
from studies.spec.errors import StoreError

STUDY = """
name: {name}
task: "{task}"
budget: {{epochs: 1, batch_size: 64}}
seeds: 2
grid: {{lr: [0.003, 0.01, 0.03], weight_decay: [0], grad_scale: [1, 10]}}
optimizers: {{adamw: {{}}, sgd: {{}}}}
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
