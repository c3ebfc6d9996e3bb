"""Hyperparameters in a row's columns, and those that have none of their own."""

import pandas as pd

from robustness.optimizers import OPTIMIZERS, hyperparameters
from studies.store.schema import HYPERPARAMETERS, OTHERS, hyperparameter, hyperparameter_columns


def test_what_has_no_column_or_does_not_fit_it_is_kept_as_json():
    columns = hyperparameter_columns(
        {
            "lr": 1,
            "weight_decay": 0,
            "beta1": 0.9,
            "eps": (1e-30, 1e-3),
            "z": True,
            "k": None,
            "scope": 3,
            "p": 2,
        }
    )
    assert set(columns) == {*HYPERPARAMETERS, OTHERS}
    assert {name: value for name, value in columns.items() if value is not None} == {
        "beta1": 0.9, "p": 2, OTHERS: '{"eps":[1e-30,0.001],"k":null,"scope":3,"z":true}',
    }  # fmt: skip


def test_a_hyperparameter_is_found_wherever_it_is_kept():
    given = [{"eps": 0.1, "z": 1}, {"eps": "auto"}, {"beta1": 0.5}]
    rows = pd.DataFrame([hyperparameter_columns(values) for values in given])
    assert hyperparameter(rows, "eps").tolist()[:2] == [0.1, "auto"]
    assert hyperparameter(rows, "z").tolist()[0] == 1
    assert hyperparameter(rows, "z").isna().tolist() == [False, True, True]
    assert hyperparameter(rows, "beta1").dropna().tolist() == [0.5]


def test_rows_of_this_projects_rules_are_as_they_were():
    for name in OPTIMIZERS.keys() - {"muon"}:
        assert hyperparameter_columns(hyperparameters(name))[OTHERS] is None, name
