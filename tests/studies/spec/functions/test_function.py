"""A study of a training function says what only that needs; each mistake is one line before anything is written."""

import pytest

from robustness.tasks import TrainingFunction
from studies.spec.errors import SpecError
from studies.spec.study import StudySpec

MODULE = """
def train(run, *, width=32):
    raise RuntimeError("called")


def plain():
    pass


number = 3
"""
STUDY = {
    "name": "own",
    "task": {"train": "ownfunctions:train", "width": 8},
    "metric": {"name": "error", "nothing": 0.9},
    "budget": {"epochs": 2, "batch_size": 16},
    "grid": {"lr": [0.1], "weight_decay": [0]},
    "optimizers": {"sgd": {}},
}
PERPLEXITY = {"name": "perplexity", "direction": "min", "nothing": 65}


@pytest.fixture(autouse=True)
def beside(tmp_path, monkeypatch):
    (tmp_path / "ownfunctions.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "ownfunctions", raising=False)


def ready(**keys):
    spec = StudySpec(**{**STUDY, **keys}).load_optimizers()
    task = spec.load_task()
    return spec.resolved(task), task


def test_a_function_is_found_and_not_called():
    spec, task = ready()
    assert isinstance(task, TrainingFunction)
    assert (task.name, task.version, dict(task.options)) == ("ownfunctions:train", "1", {"width": 8})
    assert (task.chance_accuracy, task.chance_metric, task.metric.source) == (0.1, 0.9, "accuracy")
    assert (task.examples, task.steps(2, 16)) == (None, None)
    assert len(task.code) == 16
    assert spec.task.name == "ownfunctions:train"


def test_examples_give_steps_and_are_no_part_of_the_identity():
    spec, task = ready(
        task={**STUDY["task"], "examples": 100, "version": "2"}, budget={"epochs": 2, "batch_size": "full"}
    )
    assert (spec.budget.batch_size, task.steps(2, 16), task.version) == (100, 12, "2")
    assert dict(task.options) == {"width": 8}


def test_what_is_written_is_read_again():
    spec = StudySpec(**STUDY)
    assert "task: {train: 'ownfunctions:train', version: '1', width: 8}" in spec.to_yaml()
    assert "metric: {name: error, nothing: 0.9}" in spec.to_yaml()
    assert StudySpec.from_text(spec.to_yaml(), "study.yaml") == spec


@pytest.mark.parametrize(
    ("keys", "source", "unit"),
    [
        ({"name": "loss", "unit": "nats", "nothing": 2.3}, "loss", "nats"),
        (PERPLEXITY, "reported", ""),
        ({"name": "macro F1", "direction": "max", "unit": "%", "nothing": 0.1}, "reported", "%"),
    ],
)
def test_metrics_are_of_losses_or_reported(keys, source, unit):
    metric = ready(metric=keys)[1].metric
    assert (metric.name, metric.source, metric.unit) == (keys["name"], source, unit)
    assert metric.direction == keys.get("direction", "min")


PROBLEMS = {
    "task.name: 'x': must not be given beside train": {"task": {**STUDY["task"], "name": "x"}},
    "task.train: 'digits-mlp': must be package.module:function": {"task": {"train": "digits-mlp"}},
    "task.train: 3: must be text": {"task": {"train": 3}},
    "task.version: 2: must be text": {"task": {**STUDY["task"], "version": 2}},
    "task.examples: 0: must be greater than or equal to 1": {"task": {**STUDY["task"], "examples": 0}},
    "metric: nothing: must be a mapping such as {name: error, nothing: 0.9}": {"metric": None},
    "metric: 'loss': must be a mapping": {"metric": "loss"},
    "metric.nothing: nothing: is required": {"metric": {"name": "error"}},
    "metric.nothing: 90.0: must be a fraction in (0, 1]": {"metric": {"name": "error", "nothing": 90}},
    "metric.direction: 'min': must not be given for error: it is min": {
        "metric": {"name": "error", "nothing": 0.9, "direction": "min"}
    },
    "metric.unit: '%': must not be given for error": {
        "metric": {"name": "error", "nothing": 0.9, "unit": "%"}
    },
    "metric.direction: nothing: is required: must be min or max": {"metric": {"name": "bleu", "nothing": 0}},
    "metric.direction: 'up': must be 'min' or 'max'": {"metric": {**PERPLEXITY, "direction": "up"}},
    "metric.name: '': must not be empty": {"metric": {**PERPLEXITY, "name": ""}},
    "metric.zero: 1: unknown key; allowed: name, direction, unit, nothing": {
        "metric": {**PERPLEXITY, "zero": 1}
    },
    "metric: {'name': 'error', 'nothing': 0.9}: must be error, loss or the name": {"task": "digits-mlp"},
    "training.clip_norm: 1.0: does not belong to a training function": {"training": {"clip_norm": 1.0}},
    "training.precision: 'bf16': does not belong": {"training": {"precision": "bf16"}},
    "training.label_smoothing: 0.1: does not belong": {"training": {"label_smoothing": 0.1}},
    "training.evaluate_every: 2: does not belong": {"training": {"evaluate_every": 2}},
    "flatness: 'all': does not belong to a training function": {"flatness": "all"},
    "diagnostics: [1]: does not belong to a training function": {"diagnostics": {"epochs": [1]}},
}


@pytest.mark.parametrize("line", PROBLEMS)
def test_what_does_not_go_with_a_function_is_one_line(line):
    with pytest.raises(SpecError) as caught:
        StudySpec(**{**STUDY, **PROBLEMS[line]})
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


LATER = {
    "study: task: 'ownfunctions:trian' cannot be imported: ownfunctions has no 'trian'; did you mean 'train'?": {
        "task": {"train": "ownfunctions:trian"}
    },
    "study: task: 'ownfunctions:number' must be a function that trains": {
        "task": {"train": "ownfunctions:number"}
    },
    "study: task: 'ownfunctions:plain': must take the run as its first argument": {
        "task": {"train": "ownfunctions:plain"}
    },
    "study: task: 'ownfunctions:train': got an unexpected keyword argument 'depth'; its options are: width": {
        "task": {"train": "ownfunctions:train", "depth": 2}
    },
    "study: budget.batch_size: full: is not known: give task.examples": {
        "budget": {"epochs": 1, "batch_size": "full"}
    },
    "study: optimizers: dualadam: switch_fraction is a share of a trial's steps, which are not known": {
        "optimizers": {"dualadam": {"switch_fraction": 0.5}}
    },
    "study: budget.batch_size: 16: must be at most 10": {"task": {**STUDY["task"], "examples": 10}},
}


@pytest.mark.parametrize("line", LATER)
def test_what_the_function_says_is_one_line(line):
    with pytest.raises(SpecError) as caught:
        ready(**LATER[line])
    assert str(caught.value).startswith(line)
