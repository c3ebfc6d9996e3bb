"""A study that changes: only what is new is trained, nothing stored is deleted, readers see what is asked for now."""

import os
import shutil
import sys

import pandas as pd
import pytest

from studies import StudySpec, load, run
from studies.reports.report import report
from studies.spec.errors import InputError, StoreError
from studies.store.study_folder import status
from studies.study_plan import plan_study

TIMES = ["wall_seconds", "worker"]


def tiny(**changes):
    settings = {
        "name": "tiny",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": [1e-3, 1e-2], "weight_decay": [0.0], "grad_scale": [1.0]},
        "optimizers": {"adamw": {}, "sgd": {}},
    }
    return StudySpec(**{**settings, **changes})


GROWING = {
    "name": "tiny",
    "extend": {"decades": 1},
    "confirm": 2,
    "grid": {"lr": {"decades": 1, "points": 3}, "weight_decay": [0.0]},
    "optimizers": {"adamw": {"lr": 1e-3}, "sgd": {"lr": 1e-2}},
}


def run_here(spec, folder, **options):
    return run(spec, out=folder, workers=0, engine="sequential", **options)


def planned_here(spec, folder):
    path = folder.parent / "planned.yaml"
    path.write_text(spec.to_yaml())
    return plan_study(path, out=folder, workers=0, engine="sequential")


def ids(outcome):
    return set(outcome.rows["trial_id"])


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The study before it changes."""
    return run_here(tiny(), tmp_path_factory.mktemp("before") / "tiny")


@pytest.fixture(scope="module")
def with_schedule(tmp_path_factory):
    """The study with a schedule, before it changes."""
    return run_here(tiny(schedule={"name": "cosine"}), tmp_path_factory.mktemp("with_schedule") / "tiny")


@pytest.mark.parametrize(
    "more",
    [
        {"seeds": 2},
        {"grid": {"lr": [1e-3, 1e-2, 1e-1], "weight_decay": [0.0], "grad_scale": [1.0]}},
        {"grid": {"lr": [1e-3, 1e-2], "weight_decay": [0.0], "grad_scale": [1.0, 10.0]}},
        {"optimizers": {"adamw": {}, "sgd": {}, "smes": {"exponent": [0, 0.5]}}},
    ],
)
def test_what_is_added_is_trained_and_what_is_removed_is_hidden_and_kept(before, tmp_path, more):
    first = before
    shutil.copytree(first.location, tmp_path, dirs_exist_ok=True)
    grown = run_here(tiny(**more), tmp_path)
    kept = grown.rows[grown.rows["trial_id"].isin(ids(first))].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, first.rows)  # times and all: nothing of it was trained again
    assert ids(first) < ids(grown)
    back = run_here(tiny(), tmp_path)
    pd.testing.assert_frame_equal(back.rows, first.rows)
    assert set(load(tmp_path)["trial_id"]) == ids(grown)


@pytest.mark.parametrize(
    "change",
    [
        {"budget": {"epochs": 2, "batch_size": 64}},
        {"schedule": {"name": "cosine", "warmup": 0.5}},
    ],
)
def test_what_changes_a_trials_meaning_trains_new_ones_and_readers_do_not_mix_them(
    with_schedule, tmp_path, change
):
    first = with_schedule
    second = run_here(tiny(**{"schedule": {"name": "cosine"}, **change}), tmp_path)
    assert ids(first).isdisjoint(ids(second))
    shutil.copytree(
        first.location + "/rows", tmp_path / "rows", dirs_exist_ok=True
    )  # as earlier versions did
    assert len(load(tmp_path)) == 8
    assert status(tmp_path).iloc[-1].to_dict() == {
        "optimizer": "all", "planned": 4, "completed": 4, "diverged": 0, "failed": 0, "missing": 0,
    }  # fmt: skip
    table = report(tmp_path).summary
    pd.testing.assert_frame_equal(table, second.summary)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"task": "digits-cnn"}, "task.name: 'digits-mlp' -> 'digits-cnn'"),
        ({"budget": {"epochs": 2, "batch_size": 64}}, "budget.epochs: 1 -> 2"),
        ({"optimizers": {"adam": {}}}, "optimizers.adamw: {} -> nothing; .*optimizers.adam: nothing -> {}"),
        ({"seeds": [5]}, r"seeds: \[0\] -> \[5\]"),
    ],
)
def test_another_study_of_the_same_name_is_refused_and_the_folder_stays_as_it_is(
    before, tmp_path, change, named
):
    folder = shutil.copytree(before.location, tmp_path / "tiny")
    content = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for command in (run_here, planned_here):
        with pytest.raises(
            StoreError,
            match=f"holds another study of this name: {named}.*none of what is stored .4 stored rows",
        ):
            command(tiny(**change), folder)
    assert content == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_rows_that_a_changed_study_hides_are_said_with_what_differs_and_growing_is_silent(before, tmp_path):
    shutil.copytree(before.location, tmp_path, dirs_exist_ok=True)
    assert run_here(tiny(seeds=2), tmp_path).notes == []
    less = run_here(tiny(optimizers={"adamw": {}}), tmp_path).notes
    assert less == [
        f"{tmp_path}/study.yaml: seeds: [0, 1] -> [0]; optimizers.sgd: {{}} -> nothing: no longer asked "
        "for, so hidden and not deleted: 6 stored rows"
    ]
    assert run_here(tiny(seeds=2), tmp_path).notes == []  # asked for again


def test_rows_of_later_stages_that_are_no_longer_asked_for_are_said_too(tmp_path):
    grown = StudySpec(**{**tiny().model_dump(), **GROWING})
    first = run_here(grown, tmp_path)
    less = StudySpec(**{**grown.model_dump(exclude={"extend", "confirm"})})
    (note,) = run_here(less, tmp_path).notes
    assert f"not deleted: {len(first.rows) - less.count()} stored rows" in note
    more = StudySpec(**{**less.model_dump(), **GROWING, "seeds": 2})
    assert not any("hidden" in note for note in run_here(more, tmp_path).notes)


VERSIONED = """
from dataclasses import replace
from robustness.tasks import load

def make():
    return replace(load("digits-mlp"), version="{version}")
"""


def test_a_new_version_of_a_task_trains_everything_again(tmp_path, monkeypatch):
    (tmp_path / "own.yaml").write_text(tiny(task="versioned_task:make").to_yaml())
    found = []
    for version in ("1", "2"):
        (tmp_path / "versioned_task.py").write_text(VERSIONED.format(version=version))
        monkeypatch.delitem(sys.modules, "versioned_task", raising=False)
        found.append(run_here(tmp_path / "own.yaml", tmp_path / "out"))
    (note,) = found[1].notes
    assert (
        "study.yaml: the task's version: 1 -> 2: no longer asked for, so hidden and not deleted: 4 stored rows"
        in note
    )
    assert ids(found[0]).isdisjoint(ids(found[1]))
    assert len(load(tmp_path / "out")) == 8
    assert report(tmp_path / "out").summary["trials"].sum() == 4


def test_it_grows_until_inside_and_readers_and_another_run_agree(tmp_path):
    first = run_here(StudySpec(**{**tiny().model_dump(), **GROWING}), tmp_path)
    assert any(note.startswith("extend: adamw") for note in first.notes)
    roles = first.rows.groupby("role")["seed"].unique()
    assert set(roles["confirm"]) == {1000, 1001}
    assert set(roles["grid"]) == {0}
    again = run_here(StudySpec(**{**tiny().model_dump(), **GROWING}), tmp_path)
    pd.testing.assert_frame_equal(again.rows, first.rows)
    pd.testing.assert_frame_equal(report(tmp_path).summary, first.summary)
    last = status(tmp_path).iloc[-1]
    assert (last["planned"], last["missing"]) == (len(first.rows), 0)


@pytest.mark.ray(shared=True)
def test_with_ray_it_grows_to_the_same_rows(tmp_path):
    spec = StudySpec(**{**tiny().model_dump(), **GROWING})
    with_ray = run(spec, out=tmp_path / "ray", workers=1, engine="sequential").rows
    here = run_here(spec, tmp_path / "here").rows
    pd.testing.assert_frame_equal(with_ray.drop(columns=TIMES), here.drop(columns=TIMES))


def test_killed_while_it_grows_it_goes_on_to_the_same_rows(tmp_path, killed):
    path = tmp_path / "s.yaml"
    path.write_text(StudySpec(**{**tiny(seeds=2).model_dump(), **GROWING}).to_yaml())
    for trials in (4, 15):  # in the grid, after it
        killed(tmp_path / "s", trials, "run", str(path), "--engine", "sequential")
    outcome = run_here(path, tmp_path / "s").rows
    undisturbed = run_here(path, tmp_path / "undisturbed").rows
    pd.testing.assert_frame_equal(outcome.drop(columns=TIMES), undisturbed.drop(columns=TIMES))


FLAKY = """
import os
import torch
from dataclasses import replace
from robustness.tasks import load

def loss(outputs, targets):
    if len(targets) > 8 and os.path.exists({marker!r}):
        raise RuntimeError("the disk is away")
    return torch.nn.functional.cross_entropy(outputs, targets)

def make():
    return replace(load("digits-mlp"), loss=loss)
"""


def test_failed_trials_run_again_only_when_asked_and_their_new_rows_are_read(tmp_path):
    marker = tmp_path / "away"
    marker.touch()
    (tmp_path / "flaky_task.py").write_text(FLAKY.format(marker=str(marker)))
    path = tmp_path / "own.yaml"
    path.write_text(tiny(task="flaky_task:make", confirm=1, optimizers={"sgd": {}}).to_yaml())
    first = run_here(path, tmp_path / "out")
    assert list(first.rows["status"]) == ["failed"] * 2
    os.remove(marker)
    assert list(run_here(path, tmp_path / "out").rows["status"]) == ["failed"] * 2
    retried = run_here(path, tmp_path / "out", retry=["failed"])
    assert list(retried.rows["status"]) == ["completed"] * 3
    assert list(load(tmp_path / "out")["status"]) == ["completed"] * 3
    pd.testing.assert_frame_equal(run_here(path, tmp_path / "out", retry=["failed"]).rows, retried.rows)


def test_diverged_trials_run_again_when_asked(tmp_path):
    spec = tiny(optimizers={"sgd": {"lr": [0.1, 1e20]}})
    first = run_here(spec, tmp_path).rows
    again = run_here(spec, tmp_path, retry=["diverged", "failed"]).rows
    assert list(again["status"]) == ["completed", "diverged"]
    assert (again["wall_seconds"] != first["wall_seconds"]).tolist() == [False, True]
    pd.testing.assert_frame_equal(again.drop(columns=TIMES), first.drop(columns=TIMES))
    with pytest.raises(InputError, match="--retry: completed: must be failed or diverged"):
        run_here(spec, tmp_path, retry=["completed"])
