import io
import os

import pandas as pd
import pytest
from rich.console import Console

from analysis import mean_sensitivity, selected_cells, sensitivity
from robustness.training import Checkpoint
from studies import StudySpec, load, load_diagnostics, run
from studies.spec.errors import InputError, SpecError, StoreError
from studies.store.store import Store
from studies.store.study_folder import status
from studies.study_search import search

HERE = 0
MIXING = {"mixing": {"low": 0.0, "high": 1.0}}


def tiny(seeking=None, **changes):
    settings = {
        "name": "tiny",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "seeds": 2,
        "grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0]},
        "optimizers": {"adamw": {"lr": 1e-2}, "sgd": {"lr": 0.1}, "ada2ms": {"lr": 1e-2}},
        "search": {"optimizer": "ada2ms", "space": MIXING, "trials": 4, "batch": 2, **(seeking or {})},
    }
    return StudySpec(**{**settings, **changes})


def seek(spec, out, workers=HERE, **options):
    return search(spec, out=out, workers=workers, engine="fused", **options)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The search undisturbed, in this process."""
    return seek(tiny(), tmp_path_factory.mktemp("alone") / "tiny")


def test_every_point_is_a_whole_surface_of_rows_with_the_role_search(alone):
    rows = load(alone.location)
    assert rows["role"].value_counts().to_dict() == {"search": 4 * 6, "grid": 2 * 6}
    assert set(rows.loc[rows["role"] == "search", "label"]) == set(alone.points["label"])
    assert alone.points["number"].tolist() == [0, 1, 2, 3]


def test_scores_are_those_of_analysis_on_the_surface_beside_the_references(alone):
    rows = load(alone.location)
    for point in alone.points.itertuples():
        seen = rows[(rows["role"] == "grid") | (rows["label"] == point.label)].assign(role="grid")
        best = selected_cells(seen).set_index("label").loc[point.label]
        s = mean_sensitivity(sensitivity(seen)).set_index("label").loc[point.label]
        assert point.val_error == pytest.approx(best["val_error"], abs=1e-12)
        assert (point.sensitivity, point.sensitivity_low) == (s["sensitivity"], s["low"])
    assert alone.references["label"].tolist() == ["adamw", "sgd"]


def test_the_status_of_a_search_counts_its_points_and_not_the_grid_in_their_place(alone, tmp_path):
    told = status(alone.location).set_index("optimizer")
    assert told["planned"].to_dict() == {**dict.fromkeys(told.index, 6), "all": 6 * 6}
    assert set(told.index) == {"adamw", "sgd", "all", *alone.points["label"]}
    assert told.loc["all", "missing"] == 0
    half = seek(tiny({"confirm": 3}), tmp_path / "half", trials=2)
    told = status(half.location).set_index("optimizer")
    assert told.loc["points to come", ["planned", "missing"]].tolist() == [2 * 6, 2 * 6]
    assert told.loc[[*half.confirmed["label"]], "planned"].tolist() == [6 + 3 * 3] * len(half.confirmed)


@pytest.mark.ray(shared=True)
def test_any_number_of_workers_gives_the_same_points_and_rows_and_notices_are_shown(
    alone, tmp_path, monkeypatch
):
    monkeypatch.setattr("studies.sweep.sweep.lacking", lambda request: "no node has a GPU")
    screen = Console(file=io.StringIO(), width=120)
    found = seek(tiny(), tmp_path / "tiny", 2, console=screen)
    assert "no node has a GPU; waiting for one that has" in screen.file.getvalue()
    pd.testing.assert_frame_equal(found.points, alone.points)
    times = ["wall_seconds", "worker"]
    pd.testing.assert_frame_equal(
        load(found.location).drop(columns=times), load(alone.location).drop(columns=times)
    )


def test_the_same_command_again_trains_nothing_and_more_points_only_what_is_new(alone, tmp_path):
    first = seek(tiny(), tmp_path / "t", trials=2)
    grown = seek(tiny(), tmp_path / "t")
    pd.testing.assert_frame_equal(grown.points, alone.points)
    before = load(tmp_path / "t")
    again = seek(tiny(), tmp_path / "t")
    pd.testing.assert_frame_equal(load(tmp_path / "t"), before)  # times and all
    pd.testing.assert_frame_equal(again.points, grown.points)
    pd.testing.assert_frame_equal(
        grown.points.head(2)[["label", "val_error"]], first.points[["label", "val_error"]]
    )


def test_the_sampler_grid_gives_the_rows_that_run_gives_on_that_grid(tmp_path):
    values = [0.0, 0.1, 0.25, 0.4, 0.5, 0.75, 0.9, 1.0]
    spec = tiny({"space": {"mixing": values}, "sampler": "grid"})
    found = seek(spec, tmp_path / "s")
    grid = tiny(optimizers={**spec.model_dump()["optimizers"], "ada2ms": {"lr": 1e-2, "mixing": values}})
    ran = run(grid.model_copy(update={"search": None}), out=tmp_path / "r", workers=0, engine="fused").rows
    order = ["trial_id"]
    rows = load(tmp_path / "s").sort_values(order, ignore_index=True)
    ran = ran.sort_values(order, ignore_index=True)
    assert len(found.points) == 8
    assert set(rows.loc[rows["role"] != "grid", "role"]) == {"search"}
    different = ["role", "wall_seconds", "worker"]
    pd.testing.assert_frame_equal(rows.drop(columns=different), ran.drop(columns=different))


def test_rows_of_a_grid_warm_the_search_and_are_not_trained_again(tmp_path):
    optimizers = {"adamw": {"lr": 1e-2}, "sgd": {"lr": 0.1}, "ada2ms": {"lr": 1e-2, "mixing": [0.0, 0.5]}}
    spec = tiny({"trials": 1}, optimizers=optimizers)
    before = run(spec, out=tmp_path / "t", workers=0, engine="fused").rows
    found = seek(spec, tmp_path / "t")
    assert found.points["stored_before"].tolist() == [True, True, False]
    assert found.points["mixing"].tolist()[:2] == [0.0, 0.5]
    assert len(load(tmp_path / "t")) == len(before) + 6


def test_a_repeated_suggestion_takes_what_is_stored(tmp_path):
    found = seek(tiny({"space": {"scope": ["model", "tensor"]}, "sampler": "random"}), tmp_path / "t")
    assert len(found.points) == 4
    assert (load(tmp_path / "t")["role"] == "search").sum() == 2 * 6
    assert found.points.groupby("label")["val_error"].nunique().tolist() == [1, 1]
    assert not found.front.duplicated("label").any()


def test_a_changed_search_in_an_old_folder_is_refused_and_says_what_differs(tmp_path):
    seek(tiny(), tmp_path / "t", trials=1)
    narrow = tiny({"space": {"mixing": {"low": 0.0, "high": 0.5}}})
    with pytest.raises(
        StoreError, match=r"search\.space\.mixing\.high: 0\.5, but the search in this folder has 1\.0"
    ):
        seek(narrow, tmp_path / "t")
    with pytest.raises(StoreError, match=r"seeds: .*but the search in this folder has"):
        seek(tiny(seeds=3), tmp_path / "t")


def test_searches_that_share_a_storage_never_mix(tmp_path):
    url = f"sqlite:///{tmp_path}/shared.db"
    one, other = (seek(tiny(), tmp_path / name, trials=1, storage=url) for name in ("one", "other"))
    pd.testing.assert_frame_equal(one.points, other.points)
    assert len(load(tmp_path / "one")) == len(load(tmp_path / "other")) == 12 + 6


def test_divergence_everywhere_gets_the_worst_of_every_score(tmp_path):
    scores = ["val_error", "sensitivity", "transfer_regret", "width"]
    wild = {"adamw": {"lr": 1e-2}, "sgd": {"lr": 0.1}, "ada2ms": {"lr": 1e20}}
    grid = {"lr": {"decades": 2, "points": 3}, "weight_decay": [0], "grad_scale": [1, 10]}
    found = seek(tiny({"objectives": scores, "trials": 1}, optimizers=wild, grid=grid), tmp_path / "t")
    assert found.points["diverged"].tolist() == [1.0]
    worst = found.points.loc[0, scores]
    assert worst.tolist() == pytest.approx([found.worst["val_error"], 1.0, 1.0, 0.0])
    assert found.hypervolume == 0


def test_fresh_seeds_confirm_the_front_and_the_references(tmp_path):
    found = seek(tiny({"trials": 2, "confirm": 2}), tmp_path / "t")
    assert found.confirmed["label"].tolist() == [*found.front["label"], "adamw", "sgd"]
    rows = load(tmp_path / "t")
    fresh = rows[rows["role"] == "confirm"]
    assert set(fresh["seed"]) == {1000, 1001}
    first = found.confirmed.iloc[0]
    cell = fresh[(fresh["label"] == first["label"]) & (fresh["lr"] == found.front.loc[0, "best_lr"])]
    assert first["val_error"] == pytest.approx(1 - cell["val_accuracy"].mean(), abs=1e-12)


def test_tables_and_figures_are_written(alone):
    names = {name.rpartition("/")[2] for name in alone.files}
    assert {"front.png", "front.pdf", "response-mixing.pdf", "hypervolume.pdf", "points.csv"} <= names
    for name in alone.files:
        assert os.path.getsize(os.path.join(alone.location, name)) > 50
    front = pd.read_csv(os.path.join(alone.location, "search/front.csv"))
    assert front["label"].tolist() == alone.front["label"].tolist()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"trials": 0}, InputError, "--trials: 0: must be at least 1"),
        ({"timeout": -1}, InputError, "--timeout: -1: must be above 0"),
        ({"storage": "nodb://x"}, InputError, "--storage: nodb://x: cannot be opened"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_written(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        seek(tiny(), tmp_path / "t", **options)
    assert not (tmp_path / "t").exists()


def test_a_study_without_a_search_and_a_remote_folder_without_a_storage_are_refused(tmp_path):
    with pytest.raises(SpecError, match="search: is required"):
        seek(tiny().model_copy(update={"search": None}), tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_killed_at_any_moment_and_given_again_it_ends_as_undisturbed(alone, tmp_path, killed):
    (tmp_path / "tiny.yaml").write_text(tiny().to_yaml())
    killed(tmp_path / "t", 13, "search", str(tmp_path / "tiny.yaml"), "--engine", "fused")
    assert 12 < len(load(tmp_path / "t")) < len(load(alone.location))
    found = seek(tiny(), tmp_path / "t")
    pd.testing.assert_frame_equal(found.points, alone.points)
    assert len(load(tmp_path / "t")) == len(load(alone.location))


def test_second_moments_that_the_study_asks_for_are_stored(tmp_path):
    seek(tiny({"trials": 1}, diagnostics={"epochs": [1]}), tmp_path / "t")
    rows, moments = load(tmp_path / "t"), load_diagnostics(tmp_path / "t")
    assert set(moments["trial_id"]) == set(rows.loc[rows["optimizer"] != "sgd", "trial_id"])
    assert (rows["role"] == "search").sum() == 6


def test_long_trials_go_on_from_their_checkpoints_when_a_search_was_interrupted(tmp_path, monkeypatch):
    spec = tiny({"trials": 1}, budget={"epochs": 3, "batch_size": 64}, checkpoint={"epochs": 1})
    save, load_state, resumed = Checkpoint.save, Checkpoint.load, []

    def save_and_be_interrupted(self, state):
        save(self, state)
        raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", save_and_be_interrupted)
    with pytest.raises(KeyboardInterrupt):
        seek(spec, tmp_path / "t")
    assert len(list((tmp_path / "t/checkpoints").glob("*.pt"))) == 1
    monkeypatch.setattr(Checkpoint, "save", save)
    monkeypatch.setattr(Checkpoint, "load", lambda self: resumed.append(load_state(self)) or resumed[-1])
    seek(spec, tmp_path / "t")
    assert sum(state is not None for state in resumed) == 1
    assert not (tmp_path / "t/checkpoints").exists()


TASKS = """
import torch
from torch import nn
from robustness.tasks import Metric, Split, Task

INPUTS = torch.randn(216, 4, generator=torch.Generator().manual_seed(0))

def made(targets, **options):
    parts = [Split(INPUTS[start::3], targets[start::3]) for start in range(3)]
    return Task("made", *parts, lambda: nn.Linear(4, 3), **options)

def regression():
    return made(INPUTS[:, :3], loss=nn.functional.mse_loss, correct=None)

def score():
    hits = lambda outputs, targets: (outputs.argmax(-1) == targets).float()
    return made(INPUTS[:, :3].argmax(1), metric=Metric("hits", "max", function=hits))
"""


@pytest.fixture
def other_tasks(tmp_path, monkeypatch):
    (tmp_path / "searchedtasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_regression_is_searched_for_a_small_loss(other_tasks, tmp_path):
    spec = tiny({"trials": 2}, task="searchedtasks:regression", budget={"epochs": 8, "batch_size": 18})
    found = seek(spec, tmp_path / "t")
    assert found.objectives == {"val_metric": "minimize", "sensitivity": "minimize"}
    rows = load(found.location)
    for point in found.points.itertuples():
        own = rows[rows["label"] == point.label]
        losses = own["val_loss"].clip(upper=own["chance_metric"]).groupby(own["lr"]).mean()
        assert point.val_metric == pytest.approx(losses.min(), abs=1e-9)
    assert found.worst["val_metric"] == pytest.approx(rows["chance_metric"].iloc[0])
    assert found.best["val_metric"] == 0
    assert 0 < found.hypervolume < 1
    assert (tmp_path / "t/study.yaml").read_text().count("val_metric") == 1
    again = seek(spec, tmp_path / "t")
    pd.testing.assert_frame_equal(again.points, found.points)


def test_a_score_to_be_maximized_is_searched_for_a_large_one(other_tasks, tmp_path):
    seeking = {"trials": 3, "objectives": "val_metric", "confirm": 2}
    found = seek(tiny(seeking, task="searchedtasks:score"), tmp_path / "t")
    assert found.objectives == {"val_metric": "maximize"}
    rows = load(found.location)
    tuned = (
        rows[rows["role"] == "search"].groupby(["label", "lr"])["val_accuracy"].mean().groupby("label").max()
    )
    assert found.front["val_metric"].tolist() == pytest.approx([tuned.max()] * len(found.front))
    assert set(found.confirmed["metric"]) == {"hits"}
    assert {"test_metric", "test_metric_low"} <= set(pd.read_csv(tmp_path / "t/search/points.csv"))
    with pytest.raises(StoreError, match=r"metric\.name: loss, but the search in this folder has hits"):
        seek(tiny(seeking, task="searchedtasks:score", metric="loss"), tmp_path / "t")


def test_an_objective_that_is_not_the_metrics_is_refused_before_anything_is_trained(tmp_path):
    by_loss = tiny({"objectives": ["val_error"]}, metric="loss")
    rule = r"search.objectives: must be val_metric where the task is judged by loss \(nats\), but got 'val_error'"
    with pytest.raises(SpecError, match=rule):
        seek(by_loss, tmp_path / "t")
    with pytest.raises(SpecError, match="must be val_error where the task is judged by error"):
        seek(tiny({"objectives": ["val_metric"]}), tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_a_time_limit_needs_a_worker_as_it_does_for_run(tmp_path):
    spec = tiny(budget={"epochs": 1, "batch_size": 64, "time_limit": 60})
    for command in (search, run):
        with pytest.raises(
            InputError, match="^--workers: 0: only a worker can be stopped at budget.time_limit"
        ):
            command(spec, out=tmp_path / "t", workers=0)
    assert not (tmp_path / "t").exists()


def test_the_status_of_a_search_reads_its_rows_once(alone, monkeypatch):
    reads, rows = [], Store.rows
    monkeypatch.setattr(Store, "rows", lambda self, by: reads.append(self.location) or rows(self, by))
    assert len(status(alone.location)) == len(alone.points) + 3
    assert reads == [alone.location]
