import copy
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustness.training import Schedule
from studies.spec.errors import SpecError
from studies.spec.study import StudySpec

STUDY = {
    "name": "small",
    "task": "digits-mlp",
    "budget": {"epochs": 2, "batch_size": 64},
    "schedule": {"name": "cosine"},
    "seeds": 2,
    "grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0, 1e-2], "grad_scale": [1, 10]},
    "optimizers": {
        "sgd": {"lr": 0.1, "momentum": 0.9},
        "ada2ms": {"lr": 1e-3, "mixing": [0, 0.5]},
        "dualadam": {"lr": 1e-3, "switch_fraction": 0.16},
    },
}


def changed(path, value):
    """Return STUDY with ``value`` at the dotted ``path``."""
    study = copy.deepcopy(STUDY)
    *parents, last = path.split(".")
    place = study
    for key in parents:
        place = place[key]
    place[last] = value
    return study


def refusal(study):
    """Return the message with which ``study`` is refused."""
    with pytest.raises(SpecError) as caught:
        StudySpec(**study)
    return str(caught.value)


def attempt(make):
    """Return what ``make`` returns, or the message with which it refuses."""
    try:
        return make()
    except SpecError as error:
        return str(error)


def test_a_study_holds_what_it_was_given_with_defaults_written_out():
    spec = StudySpec(**STUDY)
    assert spec.task.name == "digits-mlp"
    assert spec.task.options == {}
    assert spec.schedule == Schedule("cosine", 0.0, 0.0, 1.0)
    assert spec.seeds == (0, 1)
    assert spec.grid.weight_decay == (0.0, 0.01)
    assert spec.optimizers["ada2ms"].lr == 0.001
    assert spec.count() == 2 * 2 * 2 * 3 * (1 + 2 + 1)


def test_what_may_be_left_out():
    given = {key: STUDY[key] for key in ("name", "task", "budget")}
    spec = StudySpec(**given, grid={"lr": [0.1], "weight_decay": 0}, optimizers={"sgd": None})
    assert spec.schedule == Schedule("constant")
    assert spec.seeds == (0,)
    assert spec.grid.grad_scale == (1.0,)
    assert spec.count() == 1


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", "../up", "name: '../up': must be letters"),
        ("task", "digits-mpl", "task: 'digits-mpl': must be one of .* \\(did you mean 'digits-mlp'\\?\\)"),
        ("tsk", "x", "tsk: 'x': unknown key; allowed: name, task, .* \\(did you mean 'task'\\?\\)"),
        ("budget.epochs", 2.5, "budget.epochs: 2.5: must be an integer"),
        ("budget.epochs", 0, "budget.epochs: 0: must be greater than or equal to 1"),
        ("budget.epoch", 3, "budget.epoch: 3: unknown key; .* \\(did you mean 'epochs'\\?\\)"),
        ("schedule.name", "cosin", "schedule.name: 'cosin': must be one of constant, cosine, linear"),
        ("schedule.warmup", 1.5, "schedule.warmup: 1.5: must be in \\[0, 1\\)"),
        ("schedule.warmup", True, "schedule.warmup: True: must be a number"),
        ("schedule.warmpu", 0.1, "schedule.warmpu: 0.1: unknown key; .* \\(did you mean 'warmup'\\?\\)"),
        ("seeds", [0, 1, 1], "seeds\\[2\\]: 1: is given twice"),
        ("seeds", [], "seeds: \\(?\\[?\\]?\\)?: must not be empty"),
        ("seeds", -1, "seeds: -1: must be greater than or equal to 1"),
        ("seeds", [-1], "seeds\\[0\\]: -1: must be greater than or equal to 0"),
        ("seeds", True, "seeds: True: must be an integer"),
        ("grid.lr", 0.1, "grid.lr: 0.1: must be {decades: …, points: …} or a list"),
        ("grid.lr.points", "9", "grid.lr.points: '9': must be an integer"),
        ("grid.lr.decades", 1e-9, "optimizers.sgd.lr: 0.1: gives equal learning rates"),
        ("grid.lr.pionts", 9, "grid.lr.pionts: 9: unknown key; .* \\(did you mean 'points'\\?\\)"),
        ("grid.weight_decay", [0, -1e-4], "grid.weight_decay\\[1\\]: -0.0001: must be greater than or"),
        ("grid.weight_decay", [0, -0.0], "grid.weight_decay\\[1\\]: 0.0: is given twice"),
        ("grid.weight_decay", None, "optimizers.sgd.weight_decay: nothing: is required"),
        ("grid.grad_scale", [0], "grid.grad_scale\\[0\\]: 0: must be greater than 0"),
        ("grid.grad_scale", [True], "grid.grad_scale\\[0\\]: True: must be a number"),
        ("grid.grad_scale", [float("inf")], "grid.grad_scale\\[0\\]: inf: must be finite"),
        ("optimizers", {}, "optimizers: {}: must not be empty"),
        (
            "optimizers.adamww",
            {"lr": 1},
            "optimizers.adamww: .*: must be one of .* \\(did you mean 'adamw'\\?\\)",
        ),
        ("optimizers.mine", {"optimizer": "smess"}, "optimizers.mine.optimizer: 'smess': must be one of"),
        ("optimizers.my sgd", {"optimizer": "sgd"}, "optimizers.'my sgd': 'my sgd': must be letters"),
        ("optimizers.sgd", 3, "optimizers.sgd: 3: must be a mapping"),
        ("optimizers.sgd.lr", 0, "optimizers.sgd.lr: 0: must be greater than 0"),
        ("optimizers.sgd.lr", float("nan"), "optimizers.sgd.lr: nan: must be finite"),
        ("optimizers.sgd.lr", "1e-3", "optimizers.sgd.lr: '1e-3': must be a number"),
        ("optimizers.sgd.lr", None, "optimizers.sgd.lr: nothing: is required: the centre of grid.lr"),
        ("optimizers.sgd.lr", 1e308, "optimizers.sgd.lr: 1e\\+308: gives learning rates .* beyond floats"),
        ("optimizers.sgd.momentun", 0.9, "momentun: 0.9: unknown key; .* \\(did you mean 'momentum'\\?\\)"),
        ("optimizers.sgd.momentum", 1.5, "optimizers.sgd.momentum: 1.5: must be in \\[0, 1\\)"),
        ("optimizers.sgd.momentum", "high", "optimizers.sgd.momentum: 'high': must be a number"),
        ("optimizers.sgd.momentum", {"a": 1}, "optimizers.sgd.momentum: {'a': 1}: must be a finite number"),
        ("optimizers.sgd.nesterov", 1, "optimizers.sgd.nesterov: 1: must be true or false"),
        ("optimizers.ada2ms.mixing", [0.5, 1.5], "optimizers.ada2ms.mixing: 1.5: must be in \\[0, 1\\]"),
        ("optimizers.ada2ms.mixing", [0, False], "optimizers.ada2ms.mixing\\[1\\]: False: is given twice"),
        ("optimizers.ada2ms.mixing", True, "optimizers.ada2ms.mixing: True: must be a number"),
        ("optimizers.ada2ms.mixing", [0.1234567, 0.1234568], "ada2ms: .*: stands for two variations"),
        ("optimizers.ada2ms.mixing_end", "late", "optimizers.ada2ms.mixing_end: 'late': must be a number"),
        ("optimizers.ada2ms.mixing_steps", 10.0, "optimizers.ada2ms.mixing_steps: 10.0: must be an integer"),
        (
            "optimizers.ada2ms.scope",
            "tensr",
            "optimizers.ada2ms.scope: 'tensr': must be one of model, tensor",
        ),
        ("optimizers.sgd.switch_fraction", 0.5, "optimizers.sgd.switch_fraction: 0.5: unknown key"),
        ("optimizers.dualadam.switch_fraction", 16, "switch_fraction: 16: must be a number in \\(0, 1\\]"),
        ("optimizers.dualadam.switch_rate", 1e-3, "switch_fraction: 0.16: must not be given together"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(path, value, message):
    assert re.search(message, refusal(changed(path, value)))


def test_a_study_may_not_have_more_than_a_million_trials():
    study = changed("grid.lr.points", 10_000)
    study["seeds"] = 10_000
    assert refusal(study) == "grid: 1600000000: trials; a study may have at most 1000000"


def test_a_study_does_not_change_and_travels():
    spec = StudySpec(**STUDY)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert StudySpec.model_validate(STUDY) == spec
    with pytest.raises(ValueError, match="frozen"):
        spec.name = "other"


GRID, OPTIMIZERS = STUDY["grid"], STUDY["optimizers"]
KEYS = [
    *STUDY,
    *STUDY["budget"],
    *GRID,
    *GRID["lr"],
    *OPTIMIZERS,
    *OPTIMIZERS["ada2ms"],
    "optimizer",
    "digits-mlp",
]
WORDS = st.sampled_from(KEYS)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    WORDS,
    st.dates(),
    st.binary(max_size=3),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.integers() | st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(mapping=st.dictionaries(WORDS | st.text(max_size=5), VALUES, max_size=7))
def test_any_mapping_is_a_study_or_refused_in_one_line(mapping):
    result = attempt(lambda: StudySpec(**mapping))
    assert isinstance(result, StudySpec) or len(result.splitlines()) == 1


@settings(max_examples=300, deadline=None)
@given(
    path=st.sampled_from(
        [
            *(
                "name",
                "task",
                "budget",
                "budget.epochs",
                "schedule",
                "schedule.until",
                "seeds",
                "grid",
                "grid.lr",
            ),
            *("grid.lr.decades", "grid.weight_decay", "optimizers", "optimizers.sgd", "optimizers.sgd.lr"),
            *("optimizers.sgd.nesterov", "optimizers.ada2ms.mixing", "optimizers.ada2ms.mixing_end"),
            *(
                "optimizers.ada2ms.mixing_steps",
                "optimizers.ada2ms.scope",
                "optimizers.dualadam.switch_fraction",
            ),
        ]
    ),
    value=VALUES,
)
def test_any_value_in_any_place_is_refused_in_one_line_or_comes_back_from_yaml(path, value):
    result = attempt(lambda: StudySpec(**changed(path, value)))
    if isinstance(result, StudySpec):
        assert StudySpec.from_text(result.to_yaml(), "study") == result
    else:
        assert len(result.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "shown"), [("self", "self"), ("[key]", "'[key]'"), ("two\nlines", r"'two\nlines'"), ("", "''")]
)
def test_a_strange_key_is_refused_in_one_line(path, shown):
    assert refusal(changed(path, 1)).startswith(f"{shown}: 1: unknown key; allowed: name, task")
    assert refusal(changed("optimizers." + path, {})).startswith(f"optimizers.{shown}: ")


def test_the_first_of_several_problems_is_named_and_the_others_are_counted():
    study = changed("budget", {"epochs": 0, "batch_size": "many"})
    study["grid"]["grad_scale"] = []
    assert refusal(study) == "budget.epochs: 0: must be greater than or equal to 1 (and 2 more problems)"


def test_a_misspelt_key_is_one_problem_and_not_a_missing_one_too():
    study = changed("optimisers", STUDY["optimizers"])
    del study["optimizers"]
    assert refusal(study).startswith("optimisers: {")
    assert refusal(study).endswith("(did you mean 'optimizers'?)")


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "all", None, ["full"], 2**63])
def test_a_batch_is_a_number_of_examples_or_all_of_them(value):
    message = "budget.batch_size: .*: must be an integer from 1 on, or full for the whole training split"
    assert re.fullmatch(message, refusal(changed("budget.batch_size", value)))


def test_the_batch_of_the_whole_split_is_a_number_once_the_task_is_known():
    spec = StudySpec(**changed("budget.batch_size", "full"))
    assert StudySpec.from_text(spec.to_yaml(), "s.yaml") == spec
    task = spec.load_task()
    assert spec.resolved(task).budget.batch_size == len(task.train)
    assert spec.resolved(task) == StudySpec(**changed("budget.batch_size", len(task.train)))


def test_a_batch_above_the_training_split_is_refused_with_the_splits_size():
    spec = StudySpec.from_text(StudySpec(**changed("budget.batch_size", 5000)).to_yaml(), "s.yaml")
    size = len(spec.load_task().train)
    with pytest.raises(
        SpecError, match=f"^s.yaml: budget.batch_size: 5000: must be at most {size}, .*, or full "
    ):
        spec.resolved(spec.load_task())


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("grid.lr", np.array([0.1, np.nan]), r"grid.lr\[1\]: nan: must be finite"),
        ("grid.lr", np.array(0.1), "grid.lr: 0.1: must be {decades: …, points: …} or a list"),
        ("grid.lr", np.array([[0.1]]), r"grid.lr\[0\]: \[0.1\]: must be a number"),
        ("grid.weight_decay", np.array([0, None]), r"grid.weight_decay\[1\]: None: must be a number"),
        (
            "optimizers.sgd.momentum",
            np.datetime64("2026-01-01"),
            "optimizers.sgd.momentum: .* and no numpy datetime64",
        ),
        ("seeds", np.array([0.0, 1.0]), r"seeds\[0\]: 0.0: must be an integer"),
        ("budget.epochs", np.float64(2), "budget.epochs: 2.0: must be an integer"),
        ("budget.epochs", np.bool_(True), "budget.epochs: True: must be an integer"),
    ],
)
def test_arrays_that_are_no_values_of_a_key_are_refused_as_in_yaml(path, value, message):
    refused = refusal(changed(path, value))
    assert re.match(message, refused)
    assert "\n" not in refused
