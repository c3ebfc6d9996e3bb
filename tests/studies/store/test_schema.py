"""Rows and learning curves of one metric, read by another where it follows from their numbers."""

import math

import pandas as pd
import pyarrow as pa
import pytest

from studies.planning.known_metric import KnownMetric
from studies.store.schema import CURVE_SCHEMA, by_metric, points_by_metric

LOSS = KnownMetric("loss", "nats", "min", 2.3, "loss", 1.0)
BITS = KnownMetric("bits per character", "bits", "min", 3.0, "loss", math.log(2))
ERROR = KnownMetric("error", "%", "min", 0.9, "accuracy", 1.0)
OWN = KnownMetric("macro F1", "", "max", 0.1, "outputs", 1.0)
METRIC_COLUMNS = ["metric", "metric_unit", "metric_direction", "chance_metric"]
SPLITS = ("train", "val", "test")


def rows(*metrics):
    """Return a row for each metric; the last one was stopped and has no numbers."""
    count = len(metrics)
    frame = pd.DataFrame({"task": "t", "metric": pd.Series(metrics, dtype=object), "metric_unit": None})
    frame = frame.assign(metric_direction=None, chance_metric=math.nan)
    for split in SPLITS:
        frame[f"{split}_loss"] = [0.5] * (count - 1) + [math.nan]
        frame[f"{split}_accuracy"] = [0.75] * (count - 1) + [math.nan]
        frame[f"{split}_metric"] = math.nan
    return frame


@pytest.mark.parametrize(("metric", "value"), [(LOSS, 0.5), (BITS, 0.5 / math.log(2))])
@pytest.mark.parametrize("before", [None, "error", "macro F1"])
def test_rows_of_any_metric_are_read_by_one_that_follows_from_their_numbers(metric, value, before):
    read = by_metric(rows(before, before), "t", metric)
    assert (
        read[METRIC_COLUMNS].to_numpy().tolist()
        == [[metric.name, metric.unit, metric.direction, metric.nothing]] * 2
    )
    for split in SPLITS:
        assert read[f"{split}_metric"][0] == value
        assert math.isnan(read[f"{split}_metric"][1])


def test_rows_of_earlier_programs_are_of_the_error_and_stay_as_they_are():
    given = rows(None, None)
    assert by_metric(given, "t", ERROR) is given
    assert by_metric(rows("loss", None), "t", ERROR)["test_metric"][0] == 0.25


def test_rows_without_a_value_of_a_metric_that_does_not_follow_keep_theirs_unless_they_have_no_numbers():
    read = by_metric(rows("loss", "loss"), "t", OWN)
    assert read["metric"].tolist() == ["loss", "macro F1"]
    assert read["chance_metric"][1] == 0.1


def test_rows_of_another_task_are_not_touched():
    given = rows("error", "error")
    assert by_metric(given, "another", LOSS) is given


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize(("metric", "want"), [(LOSS, [0.5, 9.0]), (OWN, [None, 9.0])])
def test_curves_are_read_by_the_metric_of_their_rows(metric, want, small):
    points = pa.table(
        {
            "trial_id": ["a", "b"], "epoch": [0, 0], "split": ["val", "val"], "loss": [0.5, 0.25],
            "accuracy": [0.5, None], "metric": [0.5, 9.0],
        },
        schema=CURVE_SCHEMA,
    )  # fmt: skip
    if small:
        points = points.set_column(0, "trial_id", points["trial_id"].dictionary_encode())
        points = points.set_column(5, "metric", points["metric"].cast(pa.float32()))
    stored = pa.table({"trial_id": ["a", "b"], "task": ["t", "t"], "metric": ["error", metric.name]})
    read = points_by_metric(points, stored, "t", metric)
    assert read["metric"].to_pylist() == want
    assert read.schema == points.schema
