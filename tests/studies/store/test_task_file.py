"""What a folder remembers of its task, so that readers need not import it."""

import json

import pytest

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


@pytest.mark.parametrize("change", [{"name": 1}, {"total_steps": "16"}, {"options": []}, {"mood": 1}])
def test_a_file_of_other_keys_or_types_is_damaged(tiny, folder, change):
    path = folder / "task.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoreError, match=r"task.json: is damaged: remove it"):
        read_task(Store(folder), tiny())
