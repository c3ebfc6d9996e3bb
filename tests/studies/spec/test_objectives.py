"""What a search may optimize: each objective on a surface whose scores are known."""

import pandas as pd
import pytest

from analysis.metrics.selection import selected_cells
from analysis.task_metric import ERROR, TaskMetric
from analysis.trials import errors
from studies.spec.objectives import OBJECTIVES, directions

RATES = (0.01, 0.1, 1.0)


def surface(label, accuracies):
    """Return rows of one label: two seeds, three learning rates, validation accuracies of these rates."""
    return pd.DataFrame(
        {
            "task": "t", "optimizer": label, "label": label, "lr": lr, "weight_decay": 0.0, "grad_scale": 1.0,
            "seed": seed, "role": "grid", "status": "completed", "chance_accuracy": 0.1, "val_accuracy": accuracy,
            "test_accuracy": accuracy,
        }
        for seed in (0, 1)
        for lr, accuracy in zip(RATES, accuracies, strict=True)
    )  # fmt: skip


@pytest.fixture(scope="module")
def runs():
    return errors(pd.concat([surface("adamw", (0.9, 0.9, 0.9)), surface("mine", (0.5, 0.9, 0.1))]))


@pytest.mark.parametrize(
    ("name", "flat", "peaked"),
    [
        ("val_error", 0.1, 0.1),
        ("sensitivity", 0.0, (0.4 / 0.8 + 0 + 1) / 3),
        ("width", 2.0, 0.01 / 0.4 + 0.01 / 0.8),
    ],
)
def test_an_objective_is_the_measure_of_analysis_by_its_name(runs, name, flat, peaked):
    scores = OBJECTIVES[name].of(runs, selected_cells(runs)).set_index("label")
    assert scores.loc["adamw", name] == pytest.approx(flat)
    assert scores.loc["mine", name] == pytest.approx(peaked)
    assert {"low", "high"} <= set(scores.columns)


def test_the_worst_is_on_the_far_side_of_the_direction():
    assert {name: (o.direction, o.worst) for name, o in OBJECTIVES.items()} == {
        "val_error": ("minimize", None),
        "val_metric": (None, None),
        "sensitivity": ("minimize", 1.0),
        "transfer_regret": ("minimize", 1.0),
        "width": ("maximize", 0.0),
    }


F1 = TaskMetric("macro F1", "%", "max")


def test_the_direction_of_a_metric_is_its_own():
    assert directions(["val_error", "width"], ERROR) == {"val_error": "minimize", "width": "maximize"}
    assert directions(["val_metric", "sensitivity"], F1) == {
        "val_metric": "maximize",
        "sensitivity": "minimize",
    }
    assert directions(["val_metric"], TaskMetric("loss")) == {"val_metric": "minimize"}


def test_the_value_of_a_metric_is_in_its_own_orientation():
    rows = pd.concat([surface("adamw", (0.5, 0.75, 0.25)), surface("mine", (0.5, 0.625, 0.125))])
    rows.loc[(rows["label"] == "mine") & (rows["lr"] == 0.1), "val_accuracy"] = [0.5, 0.75]
    rows = rows.rename(columns=lambda name: name.replace("accuracy", "metric"))
    named = {"metric": F1.name, "metric_unit": F1.unit, "metric_direction": F1.direction}
    runs = errors(rows.assign(**named))
    scores = OBJECTIVES["val_metric"].of(runs, selected_cells(runs)).set_index("label")
    assert scores["val_metric"].to_dict() == {"adamw": 0.75, "mine": 0.625}
    # t of 1 degree of freedom at 97.5 %, times the standard error of 0.5 and 0.75
    reach = 12.706204736 * 0.125
    assert scores.loc["mine", ["low", "high"]].tolist() == pytest.approx([0.625 - reach, 0.625 + reach])
