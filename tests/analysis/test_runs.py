"""Rows of other tools: what is mapped, what is filled in, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import analysis
from analysis.runs import OPTIONAL, from_runs

COLUMNS = {
    "optimizer": "config.optimizer",
    "lr": "config.lr",
    "seed": "config.seed",
    "val_accuracy": "val/acc",
    "test_accuracy": "test/acc",
}
CONSTANTS = {"task": "cifar10", "chance_accuracy": 0.1}


def exported():
    """Runs as an export has them: two rates and two seeds of one optimizer, one of which blew up."""
    return pd.DataFrame(
        {
            "Name": ["a", "b", "c", "d"],
            "State": "finished",
            "config.optimizer": "adamw",
            "config.lr": ["0.1", "0.1", "1e-2", "1e-2"],
            "config.seed": [0, 1, 0, 1],
            "val/acc": [0.9, 0.8, 0.7, np.nan],
            "test/acc": [0.8, 0.7, 0.6, np.inf],
        },
        index=[7, 7, 8, 9],
    )


def test_runs_of_another_tool_have_the_errors_that_their_accuracies_say():
    rows = from_runs(exported(), COLUMNS, constants=CONSTANTS)
    assert list(rows)[: len(analysis.REQUIRED)] == list(analysis.REQUIRED)
    assert list(rows)[len(analysis.REQUIRED) :] == ["Name", "State"]
    runs = analysis.errors(rows)
    assert runs["lr"].tolist() == [0.01, 0.01, 0.1, 0.1]
    assert runs["test_error"].tolist() == pytest.approx([0.4, 0.9, 0.2, 0.3])
    assert runs["diverged"].tolist() == [False, True, False, False]
    assert (rows["grad_scale"].tolist(), rows["role"].tolist()) == ([1.0] * 4, ["grid"] * 4)
    assert rows["label"].tolist() == ["adamw"] * 4
    assert rows["weight_decay"].isna().all()
    assert analysis.selected_cells(rows)["lr"].tolist() == [0.1]


def test_rows_of_ones_own_come_back_as_they_are(hand):
    assert_frame_equal(from_runs(hand), hand[[*analysis.REQUIRED]])


def test_percentages_are_scaled_where_asked_for_and_refused_otherwise():
    table = exported().assign(**{"val/acc": [90, 80, 70, np.nan], "test/acc": [80, 70, 60, np.nan]})
    with pytest.raises(
        ValueError, match="val_accuracy must hold fractions, but got 90: divide percentages by 100"
    ):
        from_runs(table, COLUMNS, constants=CONSTANTS)
    scaled = from_runs(table, COLUMNS, constants={"task": "cifar10", "chance_accuracy": 10}, percent=True)
    assert_frame_equal(scaled, from_runs(exported(), COLUMNS, constants=CONSTANTS))


def test_what_is_given_goes_before_what_is_filled_in():
    table = exported().assign(status="failed", lr=5.0)
    rows = from_runs(
        table, {**COLUMNS, "weight_decay": "config.lr"}, constants={**CONSTANTS, "role": "confirm"}
    )
    assert (set(rows["status"]), set(rows["role"])) == ({"failed"}, {"confirm"})
    assert rows["lr"].astype(float).tolist() == [
        0.1,
        0.1,
        0.01,
        0.01,
    ]  # the column that was named, not the one so called
    assert rows["weight_decay"].tolist() == rows["lr"].tolist()


def test_rows_of_another_metric_need_no_accuracies():
    names = {"val_metric": "val/acc", "test_metric": "test/acc"}
    columns = {name: source for name, source in COLUMNS.items() if "accuracy" not in name} | names
    constants = {"task": "text", "metric": "loss", "metric_unit": "nats", "metric_direction": "min"}
    rows = from_runs(exported(), columns, constants={**constants, "chance_metric": 4.2})
    assert rows["status"].tolist() == ["completed"] * 3 + ["diverged"]
    assert not {"val_accuracy", "chance_accuracy"} & set(rows)
    with pytest.raises(ValueError, match=r"the runs need chance_metric \(the metric of knowing nothing"):
        from_runs(exported(), columns, constants=constants)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"columns": {k: v for k, v in COLUMNS.items() if k not in ("seed", "test_accuracy")}},
            r"the runs need seed \(the integer seed of the run\); test_accuracy \(the final test accuracy, .*\): "
            "name its column in columns, or its value in constants; the table has 'Name', 'State', 'config",
        ),
        (
            {"columns": {**COLUMNS, "val_accuracy": "val/accc"}},
            r"columns\['val_accuracy'\] \(the final validation accuracy, a fraction\) must be one column of the "
            r"table, but got 'val/accc', and it has .* \(did you mean 'val/acc'\?\)",
        ),
        (
            {"columns": {**COLUMNS, "val_acuracy": "val/acc"}},
            r"columns must name .* \(did you mean 'val_accuracy'\?\)",
        ),
        (
            {"constants": {**CONSTANTS, "tsk": "x"}},
            r"constants must name some of .* got 'tsk' \(did you mean 'task'",
        ),
        ({"constants": {**CONSTANTS, "lr": 1}}, "must be in columns or in constants, but got 'lr' in both"),
        ({"constants": {**CONSTANTS, "chance_accuracy": "low"}}, "chance_accuracy must hold numbers"),
    ],
)
def test_what_is_missing_or_named_wrongly_is_one_line(change, message):
    given = {"columns": COLUMNS, "constants": CONSTANTS} | change
    with pytest.raises(ValueError, match=message) as caught:
        from_runs(exported(), given["columns"], constants=given["constants"])
    assert "\n" not in str(caught.value)
    assert not OPTIONAL.keys() & analysis.REQUIRED.keys()


def test_a_column_that_is_there_twice_is_refused():
    table = exported()
    with pytest.raises(ValueError, match="'val/acc', which it has twice"):
        from_runs(pd.concat([table, table[["val/acc"]]], axis=1), COLUMNS, constants=CONSTANTS)
