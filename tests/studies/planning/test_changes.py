"""What has changed since rows were trained: which differences are named, and which rows are hidden."""

from dataclasses import replace

import pandas as pd
import pytest

from studies.planning.changes import change, differences, earlier_code, flat, joined, mixed_code
from studies.planning.known_task import KnownTask
from studies.planning.trials import expand
from studies.spec.study import StudySpec

TASK = KnownTask("digits-mlp", "1", {}, 1, 64, 16)


def study(**changes):
    settings = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": [0.1, 0.2], "weight_decay": [0]},
        "optimizers": {"adamw": {}, "sgd": {}},
    }
    return StudySpec(**{**settings, **changes})


def rows_of(spec, task=TASK, **values):
    """The rows of a study's grid, with some of their columns."""
    return pd.DataFrame(
        [
            {
                "trial_id": trial.trial_id,
                "task": task.name,
                "task_version": task.version,
                "task_code": None,
                "role": "grid",
                "seed": trial.settings.seed,
                "epochs": trial.settings.epochs,
                "batch_size": trial.settings.batch_size,
                "schedule": spec.schedule.name,
                "setup": None,
                "status": "completed",
                **values,
            }
            for trial in expand(spec, task)
        ]
    )


def changed(new, old=None, rows=None, task=TASK):
    old = study() if old is None else old
    return change(old, TASK, new, task, expand(new, task), rows_of(old) if rows is None else rows)


def test_a_key_without_values_is_a_value_too():
    assert dict(flat({"a": {"b": 1, "c": {}}, "d": [1]})) == {"a.b": 1, "a.c": {}, "d": [1]}


def test_what_differs_is_named_by_its_key_with_both_values_and_what_decides_no_trial_is_not():
    new = study(seeds=2, budget={"epochs": 2, "batch_size": 64, "time_limit": 5}, resources={"cpu": 2})
    assert differences(study(), new, TASK, TASK) == ["budget.epochs: 1 -> 2", "seeds: [0] -> [0, 1]"]
    assert differences(study(), study(), TASK, replace(TASK, version="2")) == ["the task's version: 1 -> 2"]
    assert joined([str(n) for n in range(6)]) == "0; 1; 2; 3 and 2 more"


@pytest.mark.parametrize(
    ("new", "hidden", "foreign"),
    [
        ({}, 0, 0),
        ({"seeds": 2}, 0, 0),
        ({"resources": {"cpu": 2}}, 0, 0),
        ({"optimizers": {"sgd": {}}}, 2, 0),
        ({"optimizers": {"sgd": {}, "adam": {}}}, 2, 0),
        ({"grid": {"lr": [0.2, 0.3], "weight_decay": [0]}}, 2, 0),
        ({"seeds": [1]}, 4, 4),
        ({"schedule": {"name": "cosine"}}, 4, 4),
    ],
)
def test_rows_are_hidden_that_the_old_study_asks_for_and_the_new_one_does_not(new, hidden, foreign):
    result = changed(study(**new))
    assert (result.hidden, result.foreign) == (hidden, foreign)


def test_another_version_of_the_task_hides_all_rows_and_is_no_other_study():
    newer = replace(TASK, version="2")
    assert changed(study(), task=newer).hidden == 4
    assert changed(study(seeds=2), task=newer).foreign == 0
    assert changed(study(schedule={"name": "cosine"}), task=newer).foreign == 4


def test_failed_rows_hold_no_result_and_are_not_counted():
    assert changed(study(seeds=[1]), rows=rows_of(study(), status="failed")).foreign == 0


def test_a_study_file_that_cannot_be_read_is_another_study_unless_a_trial_is_shared():
    assert change(None, TASK, study(), TASK, expand(study(), TASK), rows_of(study())).foreign == 0
    other = study(seeds=[1])
    assert change(None, TASK, other, TASK, expand(other, TASK), rows_of(study())).foreign == 4


def test_rows_of_other_code_count_where_they_would_be_taken_as_they_are():
    rows = pd.concat(
        [
            rows_of(study(), task_code="old"),
            rows_of(study(seeds=[1]), task_code="new"),
            rows_of(study(seeds=[2])),  # unknown
            rows_of(study(seeds=[3]), task_code="old", status="failed"),
            rows_of(study(seeds=[4]), task_code="old", task_version="0"),
            rows_of(study(seeds=[5]), task_code="old", epochs=7),
        ]
    )
    assert earlier_code(study(), TASK, rows, ["new"]) == 4
    assert earlier_code(study(), TASK, rows, ["new", "old"]) == 0


def test_rows_of_several_codes_of_a_task_are_said_and_unknown_ones_are_not():
    known, unknown = rows_of(study(), task_code="a"), rows_of(study())
    assert mixed_code(pd.concat([known, unknown])) is None
    mixed = pd.concat([known, rows_of(study(optimizers={"sgd": {}}), task_code="b")])
    assert mixed_code(mixed) == (
        "digits-mlp: rows of 2 versions of its code are averaged as one (4 of a, 2 of b)"
    )
