"""Protocols: what they stand for, what a study overrides, and what trials of other settings are called."""

import pytest

from robustness.training import Schedule, Training
from studies.spec.errors import SpecError
from studies.spec.protocols import PROTOCOLS
from studies.spec.study import StudySpec

STUDY = {
    "name": "s",
    "task": "cifar10/resnet18",
    "protocol": "dualadam-2026",
    "grid": {"lr": [0.001], "weight_decay": [0]},
    "optimizers": {"adamw": {}},
}


def test_a_protocol_fills_in_what_a_study_leaves_out():
    spec = StudySpec(**STUDY)
    assert (spec.budget.epochs, spec.budget.batch_size) == (200, 128)
    assert spec.schedule == Schedule("cosine", floor=1e-3)
    assert spec.task.options == {"augment": ("crop", "flip")}
    assert spec.training == Training()


def test_adamnx_goes_to_a_hundredth_in_three_fifths_of_the_steps_and_decays_matrices_alone():
    spec = StudySpec(**{**STUDY, "protocol": "adamnx-2025"})
    rates = [spec.schedule.multiplier(step, 1000) for step in (0, 300, 600, 999)]
    assert rates == pytest.approx([1, 0.505, 0.01, 0.01])
    assert (spec.budget.epochs, spec.budget.batch_size, spec.training.decay) == (80, 64, "matrices")
    assert spec.task.options == {"augment": ("flip",)}


def test_what_a_study_gives_goes_before_its_protocol():
    task = {"name": "cifar10/cnn", "augment": ["cutout"]}
    own = {"budget": {"epochs": 3}, "schedule": {"floor": 0.5}, "training": {"clip_norm": 1}, "task": task}
    spec = StudySpec(**{**STUDY, **own})
    assert (spec.budget.epochs, spec.budget.batch_size) == (3, 128)
    assert spec.schedule == Schedule("cosine", floor=0.5)
    assert spec.training == Training(clip_norm=1.0)
    assert spec.task.options == {"augment": ("cutout",)}


def test_a_task_without_images_takes_no_augmentation_from_a_protocol():
    assert StudySpec(**{**STUDY, "task": "digits-mlp"}).task.options == {}


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_every_protocol_makes_a_study_that_says_the_same_when_written_and_read(name):
    spec = StudySpec(**{**STUDY, "protocol": name})
    assert StudySpec.from_text(spec.to_yaml(), "again") == spec
    assert "http" in PROTOCOLS[name].source or name.startswith("quick-")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"protocol": "dualadam"},
            r"protocol: 'dualadam': must be one of .* \(did you mean 'dualadam-2026'\?\)",
        ),
        ({"training": {"clip": 1}}, "training.clip: 1: unknown key; allowed: decay, clip_norm"),
        ({"training": {"decay": "some"}}, "training.decay: 'some': must be one of all, matrices"),
        ({"training": {"evaluate_every": "2"}}, "training.evaluate_every: '2': must be an integer"),
        ({"training": {"label_smoothing": 2}}, r"training.label_smoothing: 2.0: must be in \[0, 1\)"),
        ({"task": "cifar10/resnet81"}, r"task: 'cifar10/resnet81': must be .*did you mean 'cifar10/resnet8'"),
    ],
)
def test_what_is_wrong_is_one_line(change, message):
    with pytest.raises(SpecError, match=message):
        StudySpec(**{**STUDY, **change})
