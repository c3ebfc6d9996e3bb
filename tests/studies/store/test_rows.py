"""A trial's row: every column, from what was trained and what came of it."""

import pytest

from robustness import __version__
from robustness.training import TrialResult
from studies.planning.trials import expand
from studies.store.rows import Finished, Trained, given_up, trial_row
from studies.store.schema import ROW_SCHEMA

MEASURED_ON_REQUEST = {"lambda_max", "hessian_trace", "hessian_trace_se", "sam_sharpness"}


@pytest.fixture(scope="module")
def task(tiny):
    return tiny().load_task()


def test_a_row_has_the_columns_of_the_schema_and_says_what_was_trained(tiny, task):
    trial = expand(tiny(optimizers={"ada2ms": {"mixing": 0.25}}), task)[0]
    result = TrialResult("completed", init_loss=2.3, metrics={"val_loss": 0.5}, wall_seconds=1.5)
    row = trial_row(task, trial, result, Trained("pack", "cpu", "fused", "host:1"))
    assert set(row) <= set(ROW_SCHEMA.names)
    assert (row["optimizer"], row["mixing"], row["momentum"]) == ("ada2ms", 0.25, None)
    assert (row["val_loss"], row["init_loss"], row["chance_accuracy"]) == (0.5, 2.3, task.chance_accuracy)
    assert (row["pack_id"], row["engine"], row["worker"]) == ("pack", "fused", "host:1")
    assert row["version"] == __version__
    measured = {"train_loss", "train_accuracy", "val_accuracy", "test_loss", "test_accuracy"}
    measured |= {"train_metric", "val_metric", "test_metric"}
    assert (row["metric"], row["metric_unit"], row["metric_direction"]) == ("error", "%", "min")
    assert row["chance_metric"] == 1 - task.chance_accuracy
    assert set(ROW_SCHEMA.names) - set(row) == MEASURED_ON_REQUEST | measured


def test_a_trial_that_was_given_up_has_a_failed_row_without_a_worker(tiny, task):
    trial = expand(tiny(), task)[0]
    finished = given_up(task, trial, "pack", "cpu", "its worker died each time: killed")
    (row,) = finished.rows
    assert (row["trial_id"], row["status"], row["worker"]) == (trial.trial_id, "failed", None)
    assert row["reason"] == "its worker died each time: killed"


def test_what_is_finished_adds_up_table_by_table():
    one, other = Finished([{"a": 1}], checkpoints=["x"]), Finished([{"a": 2}], [{"b": 3}])
    assert one + other == Finished([{"a": 1}, {"a": 2}], [{"b": 3}], [], ["x"])
    assert one == Finished([{"a": 1}], checkpoints=["x"])
