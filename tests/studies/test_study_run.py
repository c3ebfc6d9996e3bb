"""Running a study: the same numbers however it is spread, nothing repeated, nothing lost."""

import os

import pandas as pd
import pytest

from robustness.tasks import DATASETS
from studies import StudySpec, load, load_curves, load_spec, run
from studies.spec.errors import InputError, StoreError
from studies.spec.task import TaskSpec

TIMES = ["wall_seconds", "worker"]


def tiny(**changes):
    settings = {
        "name": "tiny",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "seeds": 2,
        "grid": {"lr": [1e-3, 1e-2], "weight_decay": [0.0], "grad_scale": [1.0]},
        "optimizers": {"adamw": {}, "ada2ms": {"mixing": [0, 0.5]}, "sgd": {"lr": [0.1, 1e20]}},
    }
    return StudySpec(**{**settings, **changes})


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The study run in this process: what every other way must give too."""
    out = tmp_path_factory.mktemp("alone") / "tiny"
    return run(tiny(), out=out, workers=0)


def same_rows(one, other):
    pd.testing.assert_frame_equal(one.drop(columns=TIMES), other.drop(columns=TIMES))


def test_every_trial_has_a_row_and_divergence_is_a_result(alone):
    assert len(alone.rows) == 2 * (2 + 4 + 2)
    assert (alone.failed, alone.missing) == ([], 0)
    wild = alone.rows[alone.rows["lr"] == 1e20]
    assert list(wild["status"]) == ["diverged", "diverged"]
    assert wild["stopped_step"].notna().all()
    assert wild["val_accuracy"].isna().all()


@pytest.mark.ray(shared=True)
@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same_rows_and_curves(alone, tmp_path, workers):
    outcome = run(tiny(), out=tmp_path / "tiny", workers=workers)
    same_rows(outcome.rows, alone.rows)
    pd.testing.assert_frame_equal(load_curves(tmp_path / "tiny"), load_curves(alone.location))
    pd.testing.assert_frame_equal(outcome.summary, alone.summary)


def test_the_same_command_again_trains_nothing(alone):
    before = load(alone.location)
    outcome = run(tiny(), out=alone.location, workers=0)
    pd.testing.assert_frame_equal(outcome.rows, before)  # times and all


def test_a_study_that_grew_trains_only_what_is_new(tmp_path):
    first = run(tiny(seeds=1), out=tmp_path / "s", workers=0)
    grown = run(tiny(seeds=2), out=tmp_path / "s", workers=0)
    old = grown.rows[grown.rows["seed"] == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(old, first.rows)
    assert len(grown.rows) == 2 * len(first.rows)


def test_tables_and_figures_are_written_beside_the_rows(alone):
    assert "summary.csv" in alone.files
    assert any(name.endswith(".pdf") for name in alone.files)
    for name in alone.files:
        path = os.path.join(alone.location, name)
        assert os.path.getsize(path) > 100
    table = pd.read_csv(os.path.join(alone.location, "summary.csv"))
    assert list(table["label"]) == list(alone.summary["label"])


def test_a_folder_that_holds_another_study_is_refused_and_left_alone(alone):
    before = sorted(os.listdir(alone.location))
    with pytest.raises(StoreError, match="holds the study 'tiny', not 'other'"):
        run(tiny(name="other"), out=alone.location, workers=0)
    assert sorted(os.listdir(alone.location)) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": -1}, "--workers: -1"),
        ({"workers": 0, "address": "auto"}, "cannot go with --address"),
        ({"device": "tpu"}, "--device: tpu: must be auto, cpu or cuda"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_written(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        run(tiny(), out=tmp_path / "s", **arguments)
    assert not (tmp_path / "s").exists()


USER_TASK = """
import torch
from robustness.tasks import Split, Task

def model():
    return torch.nn.Linear(2, 2)

def explode(outputs, targets):
    if outputs.abs().max() > 1e3:
        raise RuntimeError("too large")
    return torch.nn.functional.cross_entropy(outputs, targets)

def blobs(spread=1.0):
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(120) % 2
    inputs = torch.randn(120, 2, generator=generator) * spread + 4.0 * targets[:, None]
    part = lambda start: Split(inputs[start:start + 40], targets[start:start + 40])
    return Task("blobs", part(0), part(40), part(80), model, loss=explode)
"""


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.ray)])
def test_a_users_own_task_beside_the_study_file_runs_and_its_errors_stop_no_other_trial(tmp_path, workers):
    (tmp_path / f"own_task_{workers}.py").write_text(USER_TASK)
    (tmp_path / "own.yaml").write_text(
        f"""
name: own
task: {{name: "own_task_{workers}:blobs", spread: 0.5}}
budget: {{epochs: 3, batch_size: 10}}
seeds: 1
grid: {{lr: [0.1, 1.0e+6], weight_decay: [0]}}
optimizers: {{sgd: {{}}}}
"""
    )
    outcome = run(tmp_path / "own.yaml", out=tmp_path / "out", workers=workers)
    assert list(outcome.rows["status"]) == ["completed", "failed"]
    assert outcome.rows.loc[0, "test_accuracy"] > 0.9
    assert "RuntimeError: too large" in outcome.failed[0]


def test_killed_at_any_moment_and_given_again_it_completes_without_repeating(tmp_path, killed):
    for trials in (1, 4):
        killed(tmp_path / "s", trials, "run", "smoke")
    survived = load(tmp_path / "s")
    outcome = run("smoke", out=tmp_path / "s", workers=0)
    kept = outcome.rows[outcome.rows["trial_id"].isin(survived["trial_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, survived)
    same_rows(outcome.rows, run("smoke", out=tmp_path / "undisturbed", workers=0).rows)


def test_every_preset_is_a_study_that_plans(subtests):
    from studies.planning.plan import plan
    from studies.spec.presets import presets

    for name in presets():
        with subtests.test(name):
            spec = load_spec(name)
            if spec.task.name.partition("/")[0] in DATASETS:  # nothing is downloaded by tests
                spec = spec.model_copy(update={"task": TaskSpec(name="digits-cnn")})
            work = plan(spec, set(), engine="sequential")
            assert work.pending == len(work.trials) > 0


OWN_METRIC = """
import torch
from robustness.tasks import Metric, Split, Task

def agreement(outputs, targets):
    size = outputs.abs().max()
    return float("nan") if size > 1e3 else (outputs.argmax(-1) == targets).float().mean()

def task():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    parts = [Split(x[i::3], (x[i::3, 0] > 0).long()) for i in range(3)]
    metric = Metric("agreement", "max", function=agreement, over="split")
    return Task("own", *parts, lambda: torch.nn.Linear(4, 2), metric=metric)
"""


@pytest.fixture(scope="module")
def own_metric(tmp_path_factory):
    """Make a study of a task with a metric of its own, which gives no number at lr 1e6."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "own_metric_tasks.py").write_text(OWN_METRIC)

    def made(keys=""):
        text = (
            f"name: own\ntask: own_metric_tasks:task\n{keys}budget: {{epochs: 2, batch_size: 10}}\n"
            "grid: {lr: [0.1, 1.0e+6], weight_decay: [0]}\noptimizers: {sgd: {}}\n"
        )
        return StudySpec.from_text(text, "own.yaml", folder)

    return made


def test_a_trial_whose_metric_gives_no_number_is_failed_and_said(own_metric, tmp_path):
    outcome = run(own_metric(), out=tmp_path / "own", workers=0)
    rows = outcome.rows.set_index("lr")
    assert rows["status"].to_dict() == {0.1: "completed", 1e6: "failed"}
    assert rows.loc[1e6, "reason"].startswith(
        "metric 'agreement' must return one finite number, but returned nan ("
    )
    assert outcome.failed[0].endswith(rows.loc[1e6, "reason"])
    assert rows.loc[0.1, "val_metric"] == pytest.approx(rows.loc[0.1, "val_accuracy"])
    assert rows.loc[0.1, "chance_metric"] == pytest.approx(rows.loc[0.1, "chance_accuracy"])


def test_rows_without_a_value_of_the_metric_are_refused_before_anything_is_trained(own_metric, tmp_path):
    out = tmp_path / "own"
    rows = run(own_metric("metric: loss\n"), out=out, workers=0).rows
    assert set(rows["status"]) == {"completed"}
    assert rows["val_metric"].tolist() == rows["val_loss"].tolist()
    with pytest.raises(StoreError, match="2 stored rows without a value of the metric 'agreement'.*--out"):
        run(own_metric(), out=out, workers=0)
    assert set(load(out)["metric"]) == {"loss"}
