"""Budget, schedule, training, resources: how their values are read and refused."""

import pytest
from pydantic import ValidationError

from robustness.training.settings import Schedule
from studies.spec import sections
from studies.spec.sections import Diagnostics, Resources, folder_name, read_schedule


def test_a_schedule_is_read_from_its_keys_and_as_it_is():
    schedule = Schedule("cosine", warmup=0.1)
    assert read_schedule({"name": "cosine", "warmup": 0.1}) == read_schedule(schedule) == schedule


def test_what_a_schedule_refuses_is_a_problem_of_the_key_that_it_names():
    with pytest.raises(ValidationError) as caught:
        read_schedule({"warmup": 1.5})
    (problem,) = caught.value.errors()
    assert (problem["loc"], problem["input"], problem["msg"]) == (("warmup",), 1.5, "must be in [0, 1)")


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
