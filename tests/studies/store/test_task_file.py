"""What a folder remembers of its task, so that readers need not import it."""

import json
import math

import pandas as pd
import pytest

from studies import load_curves, run
from studies.planning.known_task import KnownTask
from studies.spec.errors import StoreError
from studies.store.store import Store
from studies.store.task_file import read_task, write_task


def test_a_task_is_remembered_with_what_identifies_its_trials(tiny, tmp_path):
    spec, store = tiny(), Store(tmp_path)
    assert read_task(store, spec) is None
    task = spec.load_task()
    write_task(store, KnownTask.of(task, spec.budget))
    known = read_task(store, spec)
    assert known == KnownTask.of(task, spec.budget)
    assert known.steps(1, 64) == task.steps(1, 64)


@pytest.mark.parametrize("change", [{"task": "digits-cnn"}, {"budget": {"epochs": 2, "batch_size": 64}}])
def test_another_task_or_budget_than_the_studys_is_not_taken_for_it(tiny, folder, change):
    assert read_task(Store(folder), tiny()) is not None
    assert read_task(Store(folder), tiny(**change)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"total_steps": "16"},
        {"options": []},
        {"mood": 1},
        {"metric": {"name": "error"}},
        {"metric": "loss"},
    ],
)
def test_a_file_of_other_keys_or_types_is_damaged(tiny, folder, change):
    path = folder / "task.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoreError, match=r"task.json: is damaged: remove it"):
        read_task(Store(folder), tiny())


def test_a_file_of_an_earlier_program_remembers_no_metric_and_rows_are_read_as_they_are(tiny, folder):
    path, stored = folder / "task.json", Store(folder).rows()
    content = json.loads(path.read_text())
    path.write_text(
        json.dumps({**content, "metric": {**content["metric"], "name": "loss", "source": "loss"}})
    )
    assert set(Store(folder).rows()["metric"]) == {"loss"}
    del content["metric"]
    path.write_text(json.dumps(content))
    assert read_task(Store(folder), tiny()).metric is None
    pd.testing.assert_frame_equal(Store(folder).rows(), stored)


def test_another_metric_that_follows_from_the_rows_trains_nothing_and_reads_them_by_it(tiny, folder):
    parts = sorted((folder / "rows").iterdir())
    before = Store(folder).rows()
    outcome = run(tiny(metric="loss"), out=folder, workers=0, engine="sequential")
    assert sorted((folder / "rows").iterdir()) == parts
    assert before["metric"].unique().tolist() == ["error"]
    assert outcome.rows["metric"].unique().tolist() == ["loss"]
    assert outcome.notes == [
        f"{folder}: judged by loss, where it was by error: its best cells may be others, and fresh seeds stored at "
        "the earlier ones are hidden; `metric: error` in the study file goes on as before"
    ]
    for split in ("train", "val", "test"):
        pd.testing.assert_series_equal(
            outcome.rows[f"{split}_metric"], outcome.rows[f"{split}_loss"], check_names=False
        )
    assert outcome.rows["chance_metric"].iloc[0] == pytest.approx(math.log(10), abs=1e-3)
    curves = load_curves(folder)
    pd.testing.assert_series_equal(curves["metric"], curves["loss"], check_names=False)
