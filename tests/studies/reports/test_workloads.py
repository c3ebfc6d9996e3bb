"""What the workloads of several studies are called, and which are one and the same."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest

import studies
from studies.reports.report import report
from studies.reports.suite import Suite
from studies.reports.workloads import called, workloads_of
from studies.spec.errors import InputError, SpecError, StoreError

FACTS = {"setup": None, "schedule": "constant", "epochs": 5, "batch_size": 64, "task_version": "1"}
STUDY = """
name: {name}
task: digits-mlp
budget: {{epochs: 1, batch_size: 64}}
grid: {{lr: [0.01, 0.03], weight_decay: [0]}}
optimizers: {{adamw: {{}}, sgd: {{}}}}
"""


def held(location, task="digits", **facts):
    """Return the workload of a file with these rows."""
    return workloads_of(location, pd.DataFrame([FACTS | facts]).assign(task=task))[0]


@pytest.mark.parametrize(
    ("differences", "names"),
    [
        ([{}, {"setup": "width=64"}], ["digits", "digits (width=64)"]),
        (
            [{"setup": "depth=2, width=64"}, {"setup": "depth=2, width=8"}],
            ["digits (width=64)", "digits (width=8)"],
        ),
        ([{}, {"schedule": "cosine"}], ["digits (constant)", "digits (cosine)"]),
        (
            [{}, {"epochs": 20}, {"schedule": "cosine"}],
            ["digits (constant, epochs 5)", "digits (constant, epochs 20)", "digits (cosine, epochs 5)"],
        ),
        ([{}, {"batch_size": 8}], ["digits (batch size 64)", "digits (batch size 8)"]),
        ([{}, {"task_version": "2"}], ["digits (version 1)", "digits (version 2)"]),
        ([{}, {"task": "letters"}], ["digits", "letters"]),
        ([{"epochs": 9, "workload": "long"}, {}], ["long", "digits"]),
    ],
)
def test_a_name_says_the_fewest_things_that_tell_them_apart(differences, names):
    assert called([held(f"{at}.csv", **facts) for at, facts in enumerate(differences)]) == names


def test_a_given_name_is_kept_where_it_is_the_tasks():
    given = replace(held("a", epochs=9), name="digits")
    assert called([given, held("b")]) == ["digits", "digits (epochs 5)"]


def test_one_workload_in_two_places_is_refused_whatever_its_name():
    for other in ({}, {"workload": "mine"}):
        with pytest.raises(
            StoreError, match="^b: holds the task 'digits', and so does a, with the same options"
        ):
            called([held("a"), held("b", **other)])
    wide = held("a", setup="width=64"), held("b", setup="width=64.0")
    with pytest.raises(StoreError, match="must be a workload of its own"):
        called(wide)


def test_two_workloads_of_one_name_are_refused():
    with pytest.raises(StoreError, match="^b: its workload is called 'x', and so is that of a; give one"):
        called([held("a", workload="x"), held("b", workload="x", epochs=9)])


def test_what_is_not_known_tells_nothing_apart_but_a_name_does():
    bare = [workloads_of(at, pd.DataFrame({"task": ["digits"]}))[0] for at in "ab"]
    named = workloads_of("c", pd.DataFrame({"task": ["digits"], "workload": ["mine"]}))[0]
    with pytest.raises(StoreError, match="b: holds the task 'digits', and so does a"):
        called(bare)
    assert called([bare[0], named]) == ["digits", "mine"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("workloads")
    for name, more in (("plain", ""), ("slow", "schedule: {name: cosine}\n")):
        (place / f"{name}.yaml").write_text(STUDY.format(name=name) + more)
        studies.run(str(place / f"{name}.yaml"), out=place / name, workers=0, engine="sequential")
    return place


def test_two_folders_of_one_task_are_two_workloads(folders, tmp_path):
    made = report(folders / "plain", folders / "slow", out=tmp_path / "both")
    names = ["digits-mlp (constant)", "digits-mlp (cosine)"]
    assert made.summary["task"].unique().tolist() == names
    assert made.tables["performance_profile"]["workloads"].unique().tolist() == [2]
    drawn = sorted(path.name for path in (tmp_path / "both/figures").iterdir())
    assert drawn == ["digits-mlp-constant", "digits-mlp-cosine"]
    page = (tmp_path / "both/report.html").read_text("utf-8")
    assert all(name in page for name in names)


def test_a_workload_that_is_named_later_needs_no_training(folders, tmp_path):
    folder = shutil.copytree(folders / "plain", tmp_path / "plain")
    assert studies.load(folder)["workload"].isna().all()
    file = tmp_path / "named.yaml"
    file.write_text(STUDY.format(name="plain") + "workload: my-digits\n")
    parts = sorted(path.name for path in (folder / "rows").iterdir())
    studies.run(str(file), out=folder, workers=0)
    assert sorted(path.name for path in (folder / "rows").iterdir()) == parts
    rows = studies.load(folder)
    assert rows["workload"].unique().tolist() == ["my-digits"]
    assert rows["task"].unique().tolist() == ["digits-mlp"]
    made = report(folder, folders / "slow", out=tmp_path / "both")
    assert made.summary["task"].unique().tolist() == ["digits-mlp", "my-digits"]
    with pytest.raises(StoreError, match="plain: holds the task 'digits-mlp', and so does"):
        _ = Suite.open([folders / "plain", folder], tmp_path / "o").rows
    rows.to_csv(tmp_path / "same.csv", index=False)
    with pytest.raises(StoreError, match=r"same\.csv: holds the task 'digits-mlp', and so does"):
        _ = Suite.open([folder, tmp_path / "same.csv"], tmp_path / "o").rows


def test_a_name_that_cannot_be_shown_is_refused():
    for name in ('""', '" x"', '"a\\nb"'):
        text = STUDY.format(name="s") + f"workload: {name}\n"
        with pytest.raises(SpecError, match="workload: .*must be one line of 1 to 100 characters"):
            studies.StudySpec.from_text(text, "s.yaml")


def test_a_file_whose_name_stands_for_two_tasks_is_one_line(tmp_path):
    rows = pd.DataFrame({"task": ["a", "b"], "workload": "x", "optimizer": "adamw", "lr": 0.1, "seed": 0})
    rows = rows.assign(chance_accuracy=0.1, val_accuracy=0.5, test_accuracy=0.5)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(InputError, match=r"rows\.csv: a workload must be of one task, but 'x' names"):
        Suite.open([tmp_path / "rows.csv"], tmp_path / "o")
