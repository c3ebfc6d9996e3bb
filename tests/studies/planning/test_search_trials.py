"""The trials of a search: those of a point are those that a grid would hold there."""

import pytest

from robustness.tasks import load
from studies.planning.search_trials import (
    choose_engine,
    count_trials,
    point_size,
    point_trials,
    reference_trials,
    typical_point,
    with_fresh_seeds,
)
from studies.planning.trials import expand
from studies.spec.errors import InputError
from studies.spec.study import StudySpec

TASK = load("digits-mlp")
SPACE = {
    "mixing": {"low": 0, "high": 1},
    "eps": {"low": 1e-10, "high": 1e-6, "log": True},
    "scope": ["tensor"],
}


def study(**changes):
    settings = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "seeds": 2,
        "grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0], "grad_scale": [1, 10]},
        "optimizers": {"adamw": {"lr": 1e-2}, "sgd": {"lr": 0.1}, "ada2ms": {"lr": 1e-2}},
        "search": {"optimizer": "ada2ms", "space": SPACE, "trials": 4},
    }
    return StudySpec(**{**settings, **changes})


def test_a_point_is_the_surface_of_the_grid_at_its_values_with_the_role_search():
    spec, values = study(), {"mixing": 0.25, "eps": 1e-8, "scope": "tensor"}
    trials = point_trials(spec, spec.search, TASK, values)
    listed = {"lr": 1e-2, **{name: [value] for name, value in values.items()}}
    grid = expand(study(search=None, optimizers={"ada2ms": listed}), TASK)
    assert [(t.trial_id, t.label) for t in trials] == [(t.trial_id, t.label) for t in grid]
    assert {trial.role for trial in trials} == {"search"}
    assert trials[0].label == "ada2ms(eps=1e-08, mixing=0.25, scope=tensor)"


def test_the_references_are_all_other_optimizers_as_in_the_grid():
    spec = study()
    others = [trial for trial in expand(spec, TASK) if not trial.label.startswith("ada2ms")]
    assert reference_trials(spec, spec.search, TASK) == others
    assert point_size(spec, spec.search, TASK) == 3 * 2 * 2
    assert count_trials(spec, spec.search, TASK) == len(others) + 4 * 12


def test_fresh_seeds_are_new_trials_at_the_same_cells():
    spec = study()
    before = reference_trials(spec, spec.search, TASK)
    after = with_fresh_seeds(spec, before, 3, TASK)
    assert {trial.settings.seed for trial in after} == {1000, 1001, 1002}
    assert {trial.role for trial in after} == {"confirm"}
    assert len({trial.trial_id for trial in after}) == len(after) == 3 * len(before) // 2
    assert {t.trial_id for t in before}.isdisjoint(t.trial_id for t in after)


def test_a_typical_point_is_inside_the_space_and_no_square_root():
    typical = typical_point(study().search)
    assert typical == {"mixing": 0.43, "eps": 1e-8, "scope": "tensor"}


def test_a_wrong_engine_is_named_with_its_option():
    spec = study()
    with pytest.raises(InputError, match="--engine: warp: "):
        choose_engine(spec, spec.search, TASK, 4, "cpu", "warp")
