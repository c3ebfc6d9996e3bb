import pytest
from hypothesis import given
from hypothesis import strategies as st

from studies import SpecError, StudySpec
from studies.spec.search import Range


def spec(search, **changes):
    settings = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "seeds": 2,
        "grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0]},
        "optimizers": {"adamw": {"lr": 1e-2}, "ada2ms": {"lr": 1e-2, "mixing": 0.5}},
    }
    keys = {"optimizer": "ada2ms", "space": {"mixing": {"low": 0, "high": 1}}}
    return StudySpec(**{**settings, "search": {**keys, **search}, **changes})


def test_a_search_survives_its_own_yaml():
    space = {"mixing": {"low": 0, "high": 1}, "eps": {"low": 1e-10, "high": 1e-4, "log": True}}
    made = spec({"space": {**space, "scope": ["model", "tensor"]}, "max_diverged": 0.5})
    assert StudySpec.from_text(made.to_yaml(), "s.yaml") == made


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ({"optimizer": "ada"}, "search.optimizer: 'ada': must be one of adamw, ada2ms"),
        ({"space": {}}, "search.space: {}: must not be empty"),
        ({"space": {"mixng": [0, 1]}}, "search.space.mixng: 'mixng': unknown key; .*did you mean 'mixing'"),
        ({"space": {"mixing": {"low": 0, "high": 2}}}, r"search.space.mixing: 2.0: must be in \[0, 1\]"),
        ({"space": {"mixing": {"low": 0, "hihg": 1}}}, "mixing.hihg: 1: unknown key; .*did you mean 'high'"),
        ({"space": {"mixing": {"low": 1, "high": 0}}}, "mixing.high: 0.0: must be above low, which is 1"),
        ({"space": {"eps": {"low": 0, "high": 1, "log": True}}}, "eps.low: 0.0: must be above 0 on a log"),
        ({"space": {"mixing": 0.5}}, "mixing: 0.5: must be {low: …, high: …} or a list of values"),
        ({"space": {"scope": {"low": 0, "high": 1}}}, "scope: .*must be a list of values"),
        ({"space": {"lr": [1, 2]}}, "search.space.lr: 'lr': is an axis of the surface"),
        ({"sampler": "grid"}, "mixing.points: nothing: is required"),
        ({"sampler": "tpee"}, "search.sampler: 'tpee': must be 'tpe', 'gp', 'nsga2', 'random' or 'grid'"),
        ({"objectives": "sensitivty"}, "'sensitivty': must be one of .*did you mean 'sensitivity'"),
        ({"objectives": "transfer_regret"}, "needs gradient scales beside 1 in grid.grad_scale"),
        ({"trials": 0}, "search.trials: 0: must be"),
        ({"confirm": 1}, "search.confirm: 1: must be"),
        ({"smapler": "gp"}, "search.smapler: 'gp': unknown key; .*did you mean 'sampler'"),
    ],
)
def test_a_wrong_search_is_one_line(search, message):
    with pytest.raises(SpecError, match=message) as error:
        spec(search)
    assert "\n" not in str(error.value)


def test_a_search_needs_references_and_a_surface_at_scale_1():
    with pytest.raises(SpecError, match="must hold adamw or sgd beside it"):
        spec({}, optimizers={"ada2ms": {"lr": 1e-2}})
    with pytest.raises(SpecError, match="grad_scale: .*must hold 1"):
        spec(
            {},
            grid={"lr": [1e-2], "weight_decay": [0], "grad_scale": [10]},
            optimizers={"adamw": {}, "ada2ms": {}},
        )


@given(st.floats(-5, 5), st.floats(0.01, 10), st.floats(0, 1))
def test_rounding_moves_a_value_by_a_1000th_of_its_range_at_most_and_never_out_of_it(low, width, share):
    axis = Range(low=low, high=low + width)
    value = low + share * width
    assert axis.low <= axis.rounded(value) <= axis.high
    assert abs(axis.rounded(value) - value) <= 0.51e-3 * width * 1.01
    assert axis.rounded(axis.rounded(value)) == axis.rounded(value)


def test_points_of_a_range_are_even_on_its_scale_with_both_ends():
    assert Range(low=0, high=1, points=5).values() == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert Range(low=1e-8, high=1e-4, log=True, points=3).values() == (1e-8, 1e-6, 1e-4)
