"""Which search a folder holds, and what another one is told."""

import pytest

from robustness.tasks import load
from studies.searches import record
from studies.spec.errors import StoreError
from studies.spec.study import StudySpec
from studies.store.store import Store

TASK = load("digits-mlp")


def study(search=None, **changes):
    settings = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "seeds": 2,
        "grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0]},
        "optimizers": {"adamw": {"lr": 1e-2}, "ada2ms": {"lr": 1e-2}},
        "search": {"optimizer": "ada2ms", "space": {"mixing": {"low": 0, "high": 1}}, **(search or {})},
    }
    return StudySpec(**{**settings, **changes})


def content(spec):
    return record.identity(spec, spec.search, TASK)


@pytest.fixture
def store(tmp_path):
    """A folder in which the search of ``study()`` was begun."""
    folder = Store(tmp_path / "s")
    with folder.driving():
        assert record.find(folder, content(study())) is None
        record.begin(folder, study(), content(study()))
    return folder


@pytest.mark.parametrize(
    "same",
    [
        study({"trials": 99}),
        study({"confirm": 5}),
        study(name="other"),
        study(optimizers={"adamw": {"lr": 1e-2}, "ada2ms": {"lr": 1e-2, "mixing": 0.5}}),
    ],
)
def test_more_points_another_name_or_a_value_that_is_searched_are_the_same_search(store, same):
    assert record.find(store, content(same)).startswith("s-")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (study({"seed": 1}), "search.seed: 1, but the search in this folder has 0"),
        (study({"space": {"eps": [1e-8]}}), r"search.space.eps: .*has nothing"),
        (study(seeds=3), "seeds: .*but the search in this folder has"),
        (
            study(budget={"epochs": 2, "batch_size": 64}),
            "budget.epochs: 2, but the search in this folder has 1",
        ),
    ],
)
def test_another_search_is_refused_and_told_what_differs(store, other, message):
    with pytest.raises(StoreError, match=message):
        record.find(store, content(other))


def test_each_folder_has_an_optuna_study_of_its_own(tmp_path):
    names = set()
    for name in ("a", "b"):
        store = Store(tmp_path / name)
        with store.driving():
            names.add(record.begin(store, study(), content(study())))
    assert len(names) == 2
    assert len({name.rpartition("-")[0] for name in names}) == 1  # the hash of the same search
