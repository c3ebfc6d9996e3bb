import hashlib
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from robustness.tasks import load
from robustness.training import Schedule, Training, TrialSettings
from studies.planning.known_task import KnownTask
from studies.planning.trials import expand, in_study, schedule_text, setup, trial_id
from studies.spec.errors import SpecError
from studies.spec.presets import load_spec
from studies.spec.study import StudySpec
from studies.spec.task import TaskSpec

TASK = load("digits-mlp")
STEPS = TASK.steps(2, 64)


def trials(optimizers, **others):
    """Return the trials of a small study."""
    given = {
        "name": "small",
        "task": "digits-mlp",
        "budget": {"epochs": 2, "batch_size": 64},
        "grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0]},
    }
    return expand(StudySpec(**{**given, **others}, optimizers=optimizers), TASK)


def labels(optimizers):
    """Return the labels in their order."""
    return list(dict.fromkeys(trial.label for trial in trials(optimizers)))


def test_the_seed_varies_slowest_and_the_learning_rate_fastest():
    grid = {"lr": [1, 2], "weight_decay": [0, 0.1], "grad_scale": [1, 10]}
    found = [
        (t.settings.seed, t.label, t.settings.grad_scale, *list(t.settings.hyperparameters.values())[:2])
        for t in trials({"sgd": {}, "smes": {"exponent": [0.5, 0]}}, grid=grid, seeds=[4, 2])
    ]
    expected = [
        (seed, label, scale, lr, decay)
        for seed in (4, 2)
        for label in ("sgd", "smes(exponent=0.5)", "smes(exponent=0)")
        for scale in (1, 10)
        for decay in (0, 0.1)
        for lr in (1, 2)
    ]
    assert found == expected


def test_a_trial_has_every_hyperparameter():
    trial = trials({"ada2ms": {"lr": 1e-3, "beta2": 0.99}}, schedule={"name": "linear", "warmup": 0.1})[0]
    assert (trial.study, trial.task.name, trial.role) == ("small", "digits-mlp", "grid")
    assert trial.settings.schedule == Schedule("linear", 0.1)
    assert trial.settings.hyperparameters == {
        "lr": 1e-4,
        "weight_decay": 0.0,
        "beta1": 0.9,
        "beta2": 0.99,
        "eps": 1e-8,
        "mixing": 0.5,
        "scope": "model",
        "mixing_end": None,
        "mixing_steps": None,
        "mixing_schedule": "linear",
    }


def test_an_id_is_the_hash_of_the_canonical_configuration():
    schedule = {"floor": 0.0, "name": "constant", "until": 1.0, "warmup": 0.0}
    content = {
        "batch_size": 64,
        "epochs": 2,
        "grad_scale": 1.0,
        "hyperparameters": {"lr": 0.01, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0},
        "optimizer": "sgd",
        "schedule": schedule,
        "seed": 0,
        "task": "digits-mlp",
        "task_options": {},
        "task_version": TASK.version,
    }
    text = json.dumps(content, separators=(",", ":"))
    trial = trials({"sgd": {"lr": 0.1}})[0]
    assert trial.trial_id == hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [
        ("smoke", "589e2b8f33bcd0b0", "00ada75a9654c1df"),
        ("lr-wd", "5c6eacdd688aa710", "d8ec8dcb869a6274"),
        ("papers/dualadam", "47ecce95e6cc671e", "a73da1eec5434b8c"),  # cosine with a floor
        ("papers/adamnx", "0a82b88883df35a9", "8f504012e27b2c1e"),  # linear with floor and until
        ("vision-jpeg", "ddbdbc833754de3e", "5f588444492dfb5e"),  # cosine with a warm-up
    ],
)
def test_trials_of_presets_keep_the_ids_that_they_have_had(preset, first, last):
    spec = load_spec(preset)
    task = KnownTask(spec.task.name, "1", spec.task.options, spec.budget.epochs, spec.budget.batch_size, 1000)
    ids = [trial.trial_id for trial in expand(spec, task)]
    assert (ids[0], ids[-1]) == (first, last)


def test_schedules_are_told_apart_by_their_ids_and_by_what_rows_show():
    texts = {
        "cosine": {"name": "cosine", "warmup": 0.1},
        "polynomial(power=2.0)": {"name": "polynomial", "power": 2},
        "polynomial(floor=0.1, power=2.0)": {"name": "polynomial", "power": 2, "floor": 0.1},
        "step(milestones=0.5, factor=0.1)": {"name": "step", "milestones": [0.5], "factor": 0.1},
        "step(milestones=0.5+0.75, factor=0.1)": {"name": "step", "milestones": [0.5, 0.75], "factor": 0.1},
        "one-cycle": {"name": "one-cycle", "div_factor": 25},
        "one-cycle(warmup=0.2)": {"name": "one-cycle", "warmup": 0.2},
        "mine:decay": {"name": "mine:decay"},
        "mine:decay(rate=2)": {"name": "mine:decay", "rate": 2},
    }
    made = {text: trials({"sgd": {"lr": 0.1}}, schedule=keys)[0] for text, keys in texts.items()}
    assert [schedule_text(trial.settings.schedule) for trial in made.values()] == list(texts)
    assert len({trial.trial_id for trial in made.values()}) == len(texts)


def test_the_same_training_run_has_the_same_id_everywhere():
    usual = [trial.trial_id for trial in trials({"ada2ms": {"lr": 1e-3, "mixing": 1}})]
    spelled_out = {
        "optimizer": "ada2ms",
        "lr": [1e-4, 1e-3, 1e-2],
        "mixing": [1.0],
        "eps": 1e-8,
        "scope": "model",
    }
    assert [trial.trial_id for trial in trials({"mine": spelled_out}, name="other")] == usual
    assert len(set(usual)) == 3


@pytest.mark.parametrize(
    "others",
    [
        {"seeds": [1]},
        {"budget": {"epochs": 3, "batch_size": 64}},
        {"budget": {"epochs": 2, "batch_size": 32}},
        {"schedule": {"name": "cosine"}},
        {"grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0.1]}},
        {"grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0], "grad_scale": [2]}},
        {"optimizers": {"adam": {"lr": 0.1}}},
        {"optimizers": {"sgd": {"lr": 0.1, "momentum": 0.8}}},
    ],
)
def test_whatever_decides_the_result_is_in_the_id(others):
    usual = trials({"sgd": {"lr": 0.1}})
    other = trials(**{"optimizers": {"sgd": {"lr": 0.1}}, **others})
    assert {trial.trial_id for trial in usual}.isdisjoint(trial.trial_id for trial in other)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"sgd": {"lr": 1, "momentum": 0.9}}, ["sgd"]),
        ({"sgd": {"lr": 1, "momentum": 0, "nesterov": False}}, ["sgd(momentum=0)"]),
        ({"ada2ms": {"lr": 1}}, ["ada2ms(mixing=0.5)"]),
        ({"ada2ms": {"lr": 1, "mixing": [0.5]}}, ["ada2ms(mixing=0.5)"]),
        ({"ada2ms": {"lr": 1, "scope": ["model", "tensor"], "mixing": 1}},
         ["ada2ms(mixing=1, scope=model)", "ada2ms(mixing=1, scope=tensor)"]),
        ({"smes": {"lr": 1, "eps": 1e-6}}, ["smes(eps=1e-06, exponent=0.25)"]),
        ({"exponent_plane": {"lr": 1, "q": [0, 0.5]}},
         ["exponent_plane(p=0.5, q=0)", "exponent_plane(p=0.5, q=0.5)"]),
        ({"dualadam": {"lr": 1, "switch_fraction": 0.16}}, ["dualadam"]),
        ({"dualadam": {"lr": 1, "switch_fraction": [0.16, 1]}},
         ["dualadam(switch_fraction=0.16)", "dualadam(switch_fraction=1)"]),
        ({"adamw-b2": {"optimizer": "adamw", "lr": 1, "beta2": 0.99}}, ["adamw-b2(beta2=0.99)"]),
    ],
)  # fmt: skip
def test_labels_tell_variations_apart(entry, expected):
    assert labels(entry) == expected


def test_steps_that_belong_to_a_budget_follow_from_it():
    optimizers = {
        "dualadam": {"lr": 1, "switch_fraction": 0.25},
        "ada2ms": {"lr": 1, "mixing": 1, "mixing_end": [0, None]},
        "late": {"optimizer": "ada2ms", "lr": 1, "mixing_end": 0, "mixing_steps": 7},
    }
    values = {trial.label: trial.settings.hyperparameters for trial in trials(optimizers)}
    assert values["dualadam"]["switch_rate"] == 1 / (0.25 * STEPS)
    assert "switch_fraction" not in values["dualadam"]
    assert values["ada2ms(mixing=1, mixing_end=0)"]["mixing_steps"] == STEPS
    assert values["ada2ms(mixing=1, mixing_end=None)"]["mixing_steps"] is None
    assert values["late(mixing=0.5, mixing_end=0, mixing_steps=7)"]["mixing_steps"] == 7


def test_an_optimizer_may_be_listed_twice_but_not_the_same_trials():
    assert labels({"adamw": {"lr": 1e-3}, "wide": {"optimizer": "adamw", "lr": 10}}) == ["adamw", "wide"]
    with pytest.raises(SpecError, match=r"optimizers: adamw and again: are the same training runs") as caught:
        trials({"adamw": {"lr": 1e-3}, "again": {"optimizer": "adamw", "lr": 1e-2, "eps": 1e-8}})
    assert len(str(caught.value).splitlines()) == 1


def test_a_hundred_thousand_trials_all_differ():
    grid = {
        "lr": {"decades": 4, "points": 50},
        "weight_decay": [0, 1e-3],
        "grad_scale": [0.1, 1, 10, 100, 1000],
    }
    found = trials({"sgd": {"lr": 0.1}, "adamw": {"lr": 1e-3}}, grid=grid, seeds=100)
    assert len({trial.trial_id for trial in found}) == len(found) == 100_000


PROTOCOLLED = {
    "name": "s",
    "task": "digits-mlp",
    "protocol": "adamnx-2025",
    "grid": {"lr": [0.001], "weight_decay": [0]},
    "optimizers": {"adamw": {}},
}


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
    spec = StudySpec(**PROTOCOLLED)
    (trial,) = expand(spec, load("digits-mlp"))
    row = {"label": trial.label, "lr": 0.001, "weight_decay": 0.0, "grad_scale": 1.0, "seed": 0}
    row |= {"task": "digits-mlp", "epochs": 80, "batch_size": 64}
    rows = pd.DataFrame([{**row, "setup": text} for text in (None, "decay=matrices")])
    assert in_study(rows, spec)["setup"].tolist() == ["decay=matrices"]


FROM_YAML = """
name: small
task: {name: digits-mlp, validation: 0.25}
budget: {epochs: 2, batch_size: 64}
schedule: {name: step, milestones: [0.5, 0.75], factor: 0.1}
training: {clip_norm: 0.3}
seeds: [0, 1, 2]
grid: {lr: [0.001, 0.01, 0.1, 1], weight_decay: [0, 1e-4], grad_scale: [0.1, 1, 10]}
optimizers: {sgd: {momentum: [0, 0.9], nesterov: false}, ada2ms: {mixing: [0.3, 0.7], scope: tensor}}
"""


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_a_study_of_numpys_values_has_the_ids_of_the_same_study_in_yaml(kind):
    spec = StudySpec(
        name=np.str_("small"),
        task={"name": np.str_("digits-mlp"), "validation": kind(0.25)},
        budget={"epochs": np.int64(2), "batch_size": np.int32(64)},
        schedule=Schedule("step", milestones=np.array([0.5, 0.75], dtype=kind), factor=kind(0.1)),
        training=Training(clip_norm=kind(0.3)),
        seeds=np.arange(3),
        grid={
            "lr": np.logspace(-3, 0, 4, dtype=kind),
            "weight_decay": (0, kind(1e-4)),
            "grad_scale": pd.Series([0.1, 1, 10], dtype=kind),
        },
        optimizers={
            "sgd": {"momentum": np.array([0, 0.9], dtype=kind), "nesterov": np.bool_(False)},
            "ada2ms": {"mixing": (kind(0.3), kind(0.7)), "scope": np.array("tensor")},
        },
    )
    written = StudySpec.from_text(FROM_YAML, "study")
    assert spec == written == StudySpec.from_text(spec.to_yaml(), "again")
    task = KnownTask("digits-mlp", "1", spec.task.options, 2, 64, 1000)
    ids = [trial.trial_id for trial in expand(spec, task)]
    assert ids == [trial.trial_id for trial in expand(written, task)]
    assert len(set(ids)) == 3 * 4 * 2 * 3 * 4
