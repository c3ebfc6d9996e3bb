"""What a study asks of a cluster, and what is refused before anything is trained."""

import pytest

from studies import StudySpec, run
from studies.planning.workers import check_address
from studies.spec.errors import InputError, SpecError, SweepError
from studies.sweep.cluster import differences, shared_versions


def spec(**changes):
    settings = {
        "name": "tiny",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": [1e-3], "weight_decay": [0]},
        "optimizers": {"adamw": {}},
    }
    return StudySpec(**{**settings, **changes})


def test_a_worker_takes_a_core_and_on_cuda_a_gpu_unless_the_study_says_otherwise():
    assert spec().resources.request("cpu") == {"cpu": 1}
    assert spec().resources.request("cuda") == {"cpu": 1, "gpu": 1}
    own = spec(resources={"cpu": 0.5, "gpu": 0.25, "memory": 2e9, "special": 3}).resources
    assert own.request("cuda") == {"cpu": 0.5, "gpu": 0.25, "memory": 2e9, "special": 3}
    assert own.request("cpu") == {"cpu": 0.5, "memory": 2e9, "special": 3}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"resources": {"gpu": 1.5}}, "resources.gpu: 1.5: must be a whole number where it is above 1"),
        ({"resources": {"special": -1}}, "resources.special: -1: must be greater than 0"),
        ({"resources": {"GPU": 1}}, "resources.GPU: 'GPU': must be written gpu"),
        ({"resources": {"cpu": True}}, "resources.cpu: True: must be a"),
        (
            {"budget": {"epochs": 1, "batch_size": 1, "time_limit": 0}},
            "budget.time_limit: 0: must be greater",
        ),
        ({"checkpoint": {"epoch": 5}}, "unknown key; allowed: epochs (did you mean 'epochs'?)"),
        ({"checkpoint": {"epochs": 0}}, "checkpoint.epochs: 0: must be greater than or equal to 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(changes, message):
    with pytest.raises(SpecError) as caught:
        spec(**changes)
    assert message in str(caught.value)


def test_they_are_no_part_of_a_study_that_does_not_give_them_and_survive_the_file():
    own = spec(resources={"cpu": 2, "special": 1}, checkpoint={"epochs": 5})
    assert StudySpec.from_text(own.to_yaml(), "again") == own
    assert "checkpoint" not in spec().to_yaml()


def test_a_node_with_other_versions_is_named_with_both_sides():
    here = {"python": "3.11", "torch": "2.15.0"}
    assert differences(here, here, "10.0.0.7") is None
    line = differences(here, {"python": "3.12", "torch": None}, "10.0.0.7")
    assert line == (
        "node 10.0.0.7 has other versions than the driver: python 3.11 here and 3.12 there, "
        "torch 2.15.0 here and none there"
    )
    assert set(shared_versions()) == {"python", "ada2ms-robustness", "torch", "ray"}


def test_ray_client_is_refused_with_what_to_do_instead():
    with pytest.raises(InputError, match="ray://head:10001: Ray Client is not supported.*ray job submit"):
        check_address("ray://head:10001")
    check_address("head:6379")


def test_a_time_limit_needs_a_worker_that_can_be_stopped(tmp_path):
    limited = spec(budget={"epochs": 1, "batch_size": 64, "time_limit": 5})
    with pytest.raises(InputError, match="only a worker can be stopped at budget.time_limit"):
        run(limited, out=tmp_path / "s", workers=0)
    assert not (tmp_path / "s").exists()


def test_a_cluster_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SweepError, match=r"^Ray cannot be started at 127.0.0.1:1: [^\n]*$"):
        run(spec(), out=tmp_path / "s", address="127.0.0.1:1", engine="sequential")
