"""Protocols: what they stand for, what a study overrides, and what trials of other settings are called."""

from dataclasses import replace

import pandas as pd
import pytest

from robustness.tasks import load
from robustness.training import Schedule, Training, TrialSettings
from studies.planning.trials import expand, in_study, setup, trial_id
from studies.spec.errors import SpecError
from studies.spec.protocols import PROTOCOLS
from studies.spec.study import StudySpec
from studies.spec.task import TaskSpec

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


def test_settings_at_their_defaults_are_no_part_of_an_identity_and_others_are():
    task = load("digits-mlp")
    plain = TrialSettings("adamw", {"lr": 0.1, "weight_decay": 0.0})
    ids = [trial_id(task, plain)] + [
        trial_id(task, replace(plain, training=training))
        for training in (
            Training(evaluate_every=5),
            Training(decay="matrices"),
            Training(clip_norm=1.0),
            Training(precision="bf16"),
            Training(label_smoothing=0.1),
        )
    ]
    assert ids[0] == ids[1] == "5a028cfece758342"
    assert len(set(ids[1:])) == 5


def test_where_data_lie_is_no_part_of_an_identity(tmp_path):
    settings = TrialSettings("adamw", {"lr": 0.1, "weight_decay": 0.0})
    for name in ("a", "b"):
        (tmp_path / name).write_text("some text " * 200)
    tasks = [load("char-lm", text=str(tmp_path / name), context=8) for name in ("a", "b")]
    assert len({trial_id(task, settings) for task in tasks}) == 1
    assert trial_id(load("char-lm", context=8), settings) != trial_id(tasks[0], settings)


def test_rows_tell_the_setup_and_a_study_hides_those_of_another():
    task = TaskSpec(name="cifar10/cnn", root="/data", augment=["crop", "flip"], width=8)
    assert setup(task, Training(decay="matrices")) == "augment=crop+flip, width=8, decay=matrices"
    assert setup(TaskSpec(name="digits-mlp"), Training()) is None
    spec = StudySpec(**{**STUDY, "task": "digits-mlp", "protocol": "adamnx-2025"})
    (trial,) = expand(spec, load("digits-mlp"))
    row = {"label": trial.label, "lr": 0.001, "weight_decay": 0.0, "grad_scale": 1.0, "seed": 0}
    row |= {"task": "digits-mlp", "epochs": 80, "batch_size": 64}
    rows = pd.DataFrame([{**row, "setup": text} for text in (None, "decay=matrices")])
    assert in_study(rows, spec)["setup"].tolist() == ["decay=matrices"]


def test_a_loss_that_cannot_be_smoothed_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "fit.py").write_text(
        "import torch\nfrom robustness.tasks import Split, Task\n"
        "def task():\n    split = Split(torch.ones(4, 1), torch.ones(4, 1))\n"
        "    loss = torch.nn.functional.mse_loss\n"
        "    return Task('fit', split, split, split, lambda: torch.nn.Linear(1, 1), loss=loss, correct=None)\n"
    )
    text = (
        "name: s\ntask: fit:task\nbudget: {epochs: 1, batch_size: 1}\ntraining: {label_smoothing: 0.1}\n"
        "grid: {lr: [0.001], weight_decay: [0]}\noptimizers: {adamw: {}}\n"
    )
    spec = StudySpec.from_text(text, "s.yaml", tmp_path)
    with pytest.raises(
        SpecError, match="s.yaml: task: .*label_smoothing: the loss of .* takes no label_smoothing"
    ):
        spec.load_task()
