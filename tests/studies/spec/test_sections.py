"""Budget, schedule, training, resources: how their values are read and refused."""

import sys

import pytest
from pydantic import ValidationError

from robustness.training import Schedule
from studies.spec import sections
from studies.spec.errors import SpecError
from studies.spec.sections import Diagnostics, Resources, folder_name, read_schedule
from studies.spec.study import StudySpec

STUDY = {
    "name": "s",
    "task": "digits-mlp",
    "budget": {"epochs": 1, "batch_size": 64},
    "grid": {"lr": [0.1], "weight_decay": [0]},
    "optimizers": {"sgd": {}},
}


def test_a_schedule_is_read_from_its_keys_and_as_it_is():
    schedule = Schedule("cosine", warmup=0.1)
    assert read_schedule({"name": "cosine", "warmup": 0.1}) == read_schedule(schedule) == schedule


def test_what_a_schedule_refuses_is_a_problem_of_the_key_that_it_names():
    with pytest.raises(ValidationError) as caught:
        read_schedule({"warmup": 1.5})
    (problem,) = caught.value.errors()
    assert (problem["loc"], problem["input"], problem["msg"]) == (("warmup",), 1.5, "must be in [0, 1)")


TEXT = """name: s
task: digits-mlp
budget: {epochs: 1, batch_size: 64}
grid: {lr: [0.1], weight_decay: [0]}
optimizers: {sgd: {}}
"""
SHAPED = [
    {"name": "polynomial", "power": 2, "floor": 0.1},
    {"name": "step", "milestones": [0.5, 0.75], "factor": 0.1},
    {"name": "one-cycle"},
    {"name": "one-cycle", "warmup": 0.2, "div_factor": 10},
    {"name": "mine:decay", "rate": 2, "warmup": [1, "a"], "floor": None},
]


@pytest.mark.parametrize("keys", SHAPED, ids=str)
def test_every_schedule_comes_back_from_the_file_that_is_written(keys):
    spec = StudySpec(**STUDY, schedule=keys)
    assert StudySpec.from_text(spec.to_yaml(), "again").schedule == spec.schedule == read_schedule(keys)
    assert StudySpec(**STUDY, schedule=spec.schedule) == spec
    assert (
        spec.schedule.values().items() >= {k: v for k, v in keys.items() if not isinstance(v, list)}.items()
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"name": "stepp"},
            r"schedule.name: 'stepp': must be one of .*, package.module:function \(did you mean 'step'",
        ),
        ({"name": "step", "milestones": [0.5]}, "schedule.factor: nothing: is required by the schedule step"),
        (
            {"name": "step", "milestones": [0.5], "factor": 0.1, "floor": 0.0},
            "schedule.floor: 0.0: does not belong to the schedule step; allowed: name, milestones, factor, warmup",
        ),
        (
            {"power": 2},
            "schedule.power: 2: does not belong to the schedule constant; allowed: name, warmup, floor, until",
        ),
        (
            {"name": "step", "milestones": [0.5], "facto": 0.1},
            r"schedule.facto: 0.1: unknown key; allowed: name, milestones, .* \(did you mean 'factor'\?\)",
        ),
        ({"name": "polynomial", "power": "2"}, "schedule.power: '2': must be a number"),
        ({"name": "polynomial", "power": None}, "schedule.power: None: must be a number"),
        ({"name": "polynomial", "power": float("inf")}, "schedule.power: inf: must be positive and finite"),
        ({"name": "step", "milestones": 0.5, "factor": 0.1}, "schedule.milestones: 0.5: must be a list"),
        (
            {"name": "step", "milestones": [0.7, 0.5], "factor": 0.1},
            r"schedule.milestones: \(0.7, 0.5\): must be increasing fractions of all steps in \(0, 1\)",
        ),
        ({"name": "m:f", "rate": float("nan")}, "schedule.rate: nan: must be a finite number, text"),
        ({"name": 3}, "schedule.name: 3: must be text"),
        (["cosine"], r"schedule: \['cosine'\]: must be a mapping"),
    ],
)
def test_what_a_schedule_may_not_hold_is_one_line(keys, message):
    with pytest.raises(SpecError, match=message) as caught:
        StudySpec(**STUDY, schedule=keys)
    assert "\n" not in str(caught.value)


def test_a_protocols_schedule_gives_what_another_schedule_can_take():
    spec = StudySpec(
        **STUDY, protocol="airbench-like", schedule={"name": "step", "milestones": [0.5], "factor": 0.5}
    )
    assert spec.schedule == Schedule("step", warmup=0.23, milestones=(0.5,), factor=0.5)


def test_a_schedule_of_ones_own_is_asked_before_anything_is_trained(tmp_path):
    (tmp_path / "own_rates.py").write_text(
        "def decay(step, total_steps, rate=1):\n    return 1 / (1 + rate * step / total_steps)\n"
        "def late(step, total_steps):\n    return float('nan') if step == total_steps - 1 else 1\n"
    )

    def load(schedule):
        (tmp_path / "s.yaml").write_text(TEXT + f"schedule: {schedule}\n")
        spec = StudySpec.from_yaml(tmp_path / "s.yaml")
        spec.resolved(spec.load_task())
        return spec.schedule

    assert load("{name: 'own_rates:decay', rate: 3}").multiplier(5, 10) == 1 / 2.5
    assert str(tmp_path) not in sys.path
    for schedule, message in {
        "{name: 'own_rates:late'}": "must return a finite number from 0 on, but returned nan at step 15 of 16",
        "{name: 'own_rates:deacy'}": "cannot be imported: own_rates has no 'deacy'; did you mean 'decay'?",
        "{name: 'own_rates:decay', rat: 1}": "TypeError: .* unexpected keyword argument 'rat'",
        "{name: 'no_such_rates:f'}": "cannot be imported: ModuleNotFoundError: No module named 'no_such_rates'",
        "{name: 'own_rates:__name__'}": "TypeError: 'str' object is not callable",
    }.items():
        with pytest.raises(SpecError, match=f"s.yaml: schedule: '.*': {message}") as caught:
            load(schedule)
        assert "\n" not in str(caught.value)


def test_a_refusal_that_names_no_key_is_a_problem_of_them_all(monkeypatch):
    def refuse(self):
        raise ValueError("schedule cannot be made")

    monkeypatch.setattr(Schedule, "__post_init__", refuse)
    with pytest.raises(ValidationError, match="cannot be made") as caught:
        sections.read_schedule({"warmup": 0.5})
    assert caught.value.errors()[0]["loc"] == ()


def test_a_worker_takes_a_gpu_only_on_cuda_and_may_take_a_share_of_it():
    usual, shared = Resources(), Resources(gpu=0.25, memory=1e9, tpu_v5=2)
    assert (usual.request("cpu"), usual.request("cuda")) == ({"cpu": 1.0}, {"cpu": 1.0, "gpu": 1.0})
    assert shared.request("cpu") == {"cpu": 1.0, "memory": 1e9, "tpu_v5": 2.0}
    assert shared.request("cuda")["gpu"] == 0.25


@pytest.mark.parametrize(
    ("keys", "message"),
    [({"gpu": 1.5}, "must be a whole number where it is above 1"), ({"GPU": 1}, "must be written gpu")],
)
def test_amounts_that_ray_would_refuse_are_refused_before(keys, message):
    with pytest.raises(ValidationError, match=message):
        Resources(**keys)


def test_epochs_of_diagnostics_are_put_in_order_and_given_once():
    assert Diagnostics(epochs=[5, 1]).epochs == (1, 5)
    with pytest.raises(ValidationError, match="must have each epoch once"):
        Diagnostics(epochs=[1, 1])


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a b", "x" * 101])
def test_a_study_is_not_called_what_no_folder_can_be_called(name):
    assert folder_name("main-digits_mlp.2") == "main-digits_mlp.2"
    with pytest.raises(ValueError, match="must be letters, digits"):
        folder_name(name)
