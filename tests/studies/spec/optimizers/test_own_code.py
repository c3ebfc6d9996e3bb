"""What is known of a user's own optimizers: read back as it was written, and taken in the place of their classes."""

import json

import pytest

from robustness.optimizers import OPTIMIZERS, REQUIRED, Signature
from studies.planning.known_task import KnownTask
from studies.planning.trials import expand
from studies.spec.errors import SpecError
from studies.spec.optimizers.own_code import OwnCode
from studies.spec.study import StudySpec

DEFAULTS = {
    "b": REQUIRED,
    "beta1": 0.9,
    "a": (1e-30, None),
    "word": "x",
    "none": None,
    "on": True,
    "empty": (),
}
OWN = OwnCode({"far.away:Lion": Signature(DEFAULTS, decays=False, betas=1)}, {"far.away:Lion": "1234"})


def study(own=None, schedule="constant", **entry):
    return StudySpec(
        own,
        name="s",
        schedule={"name": schedule},
        task="digits-mlp",
        budget={"epochs": 1, "batch_size": 64},
        grid={"lr": [0.1, 1], "weight_decay": [0, 0.1]},
        optimizers={"lion": {"optimizer": "far.away:Lion", **entry}},
    )


def test_it_is_read_back_as_it_was_written_in_the_constructors_order():
    read = OwnCode.from_json(json.loads(json.dumps(OWN.to_json())))
    assert read == OWN
    assert list(read.signatures["far.away:Lion"].defaults) == list(DEFAULTS)
    assert not OwnCode()
    assert OWN.of("far.away:Lion", "sgd") == {"far.away:Lion": "1234"}


def test_a_study_file_is_read_without_the_class_and_its_variations_once_it_is_known():
    unknown = study(b=[1, 2], betas=[0.9])
    assert unknown.count() == 8
    with pytest.raises(SpecError, match=r"^study: optimizers.lion: 'far.away:Lion': which hyperparameters"):
        list(unknown.variants("lion"))
    known = study(OWN, b=[1, 2], a=[1, 2], betas=[[0.8], [0.9]])
    assert known.count() == 8  # two of b, two of betas, two learning rates, and one weight decay
    assert [variant.label for variant in known.variants("lion")] == [
        f"lion(b={b}, beta1={beta}, a=1+2)" for b in (1, 2) for beta in (0.8, 0.9)
    ]
    values = next(known.variants("lion")).hyperparameters(10)
    assert values == {**DEFAULTS, "b": 1, "beta1": 0.8, "a": (1.0, 2)}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({}, "lion.b: nothing: is required"),
        ({"b": 1, "a": 3}, "lion.a: 3: must be a list of numbers"),
        ({"b": 1, "word": [["x"]]}, r"lion.word\[0\]: \('x',\): must be a single value"),
        ({"b": 1, "weight_decay": 0.1}, r"lion.weight_decay: \(0.1,\): must be 0 or left out"),
    ],
)
def test_what_is_known_is_checked_without_the_class(entry, told):
    study(**entry)
    with pytest.raises(SpecError, match=told):
        study(OWN, **entry)


def test_a_pair_of_betas_is_two_hyperparameters_of_a_registered_optimizer_too():
    settings = {"name": "s", "task": "digits-mlp", "budget": {"epochs": 1, "batch_size": 64}}
    grid = {"lr": [0.1], "weight_decay": [0]}

    def labels(**entry):
        spec = StudySpec(**settings, grid=grid, optimizers={"adamw": entry})
        assert StudySpec.from_text(spec.to_yaml(), "again") == spec
        return [(variant.label, dict(variant.given)) for variant in spec.variants("adamw")]

    assert labels(betas=[0.9, 0.99]) == [("adamw(beta2=0.99)", {"beta1": 0.9, "beta2": 0.99})]
    assert labels(betas=[0.9, 0.9]) == labels(beta1=0.9, beta2=0.9)
    assert [label for label, _ in labels(betas=[[0.9, 0.99], [0.9, 0.999]])] == [
        "adamw(beta2=0.99)", "adamw(beta2=0.999)",
    ]  # fmt: skip
    with pytest.raises(SpecError, match=r"sgd.betas: \(0.9, 0.9\): unknown key; allowed: .*momentum"):
        StudySpec(**settings, grid=grid, optimizers={"sgd": {"betas": [0.9, 0.9]}})


def test_what_is_known_goes_before_what_a_process_has_registered(monkeypatch):
    monkeypatch.setitem(OPTIMIZERS, "mine", OPTIMIZERS["sgd"])
    known = OwnCode({"mine": Signature({"k": 1}, decays=True, betas=0)}, {})
    assert known.signature("mine").defaults == {"k": 1}
    assert known.signature("sgd").defaults == {"momentum": 0.9, "nesterov": False}


def test_the_code_of_optimizer_and_schedule_is_part_of_a_trials_identity():
    task = KnownTask("digits-mlp", "1", {}, 1, 64, 16)
    ids = {
        tuple(
            trial.trial_id
            for trial in expand(study(OwnCode(OWN.signatures, codes), "far.away:rate", b=1), task)
        )
        for codes in ({"far.away:Lion": lion, "far.away:rate": rate} for lion in "12" for rate in "12")
    }
    assert len(ids) == 4
