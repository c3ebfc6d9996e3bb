"""What a search may optimize: each objective on a surface whose scores are known."""

import pandas as pd
import pytest

from analysis.metrics.selection import selected_cells
from analysis.trials import errors
from studies.spec.objectives import OBJECTIVES

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
        "sensitivity": ("minimize", 1.0),
        "transfer_regret": ("minimize", 1.0),
        "width": ("maximize", 0.0),
    }
