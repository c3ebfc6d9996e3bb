"""The keys ``extend`` and ``confirm``: what they mean, and when they are refused."""

import pytest

from studies.spec.errors import SpecError
from studies.spec.study import StudySpec


def study(**changes):
    settings = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": {"decades": 4, "points": 9}, "weight_decay": [0]},
        "optimizers": {"sgd": {"lr": 1e-2}},
    }
    return StudySpec(**{**settings, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extend": 3}, "extend: 3: must be a mapping"),
        ({"extend": {"decade": 3}}, "extend.decade: 3: unknown key; allowed: decades"),
        ({"extend": {"decades": 0}}, "extend.decades: 0: must be greater than 0"),
        ({"confirm": -1}, "confirm: -1: must be greater than or equal to 0"),
        ({"confirm": True}, "confirm: True: must be"),
        (
            {
                "confirm": 2,
                "grid": {"lr": [1, 2], "weight_decay": [0], "grad_scale": [10]},
                "optimizers": {"sgd": {}},
            },
            "confirm: 2: needs 1 among grid.grad_scale",
        ),
        (
            {"extend": True, "optimizers": {"sgd": {"lr": [0.1]}}},
            r"optimizers.sgd.lr: \(0.1,\): must be at least two learning rates",
        ),
        ({"confirm": 10_000, "optimizers": {"smes": {"lr": 1, "exponent": [i / 1e3 for i in range(200)]}}},
         "2001800: trials; a study may have at most 1000000"),
    ],
)  # fmt: skip
def test_a_wrong_way_to_grow_is_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        study(**changes)


def test_the_written_study_says_the_same():
    spec = study(extend=True, confirm=2)
    assert spec.extend.decades == 3.0
    assert StudySpec.from_text(spec.to_yaml(), "s") == spec
    assert study(extend=False) == study()
