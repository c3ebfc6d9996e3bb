"""The task of a study: its options, a user's own module, and what goes wrong while it is made."""

import sys

import pytest

from studies.spec.errors import SpecError
from studies.spec.study import StudySpec
from studies.spec.task import TaskSpec

STUDY = """
name: own
task: TASK
budget: {epochs: 1, batch_size: 8}
grid: {lr: [0.1], weight_decay: [0]}
optimizers: {sgd: {}}
"""


def study(folder, task):
    """Return the study file in a folder, with this task."""
    (folder / "own.yaml").write_text(STUDY.replace("TASK", task))
    return StudySpec.from_yaml(folder / "own.yaml")


def test_a_task_takes_options_and_keeps_lists_whole():
    spec = TaskSpec(name="digits-mlp", root="data", sizes=[8, 8])
    assert spec.options == {"root": "data", "sizes": (8, 8)}
    assert TaskSpec(name="digits-mlp").options == {}


def test_a_task_may_be_beside_the_study(tmp_path):
    (tmp_path / "own_task_beside.py").write_text(
        "from robustness.tasks import load\n\ndef make():\n    return load('digits-mlp')\n"
    )
    task = study(tmp_path, "own_task_beside:make").load_task()
    assert task.name == "own_task_beside:make"
    assert str(tmp_path) not in sys.path
    with pytest.raises(
        SpecError, match=r"own.yaml: task: 'own_task_beside:mkae' .* has no 'mkae'; did you mean 'make'"
    ):
        study(tmp_path, "own_task_beside:mkae").load_task()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("no_such_module:make", "own.yaml: task: .*No module named 'no_such_module'"),
        ("{name: digits-mlp, size: 3}", "own.yaml: task: 'digits-mlp'.*'size'; its options are: none"),
        ("broken_task:make", "own.yaml: task: .*broken_task.*ZeroDivisionError"),
    ],
)
def test_a_task_that_cannot_be_made_is_one_line_that_begins_with_the_file(tmp_path, task, message):
    (tmp_path / "broken_task.py").write_text("make = 1 / 0\n")
    with pytest.raises(SpecError, match=message) as error:
        study(tmp_path, task).load_task()
    assert "\n" not in str(error.value)


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


def test_a_module_of_the_same_name_in_another_folder_is_not_taken_for_the_studys(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own_task_twice.py").write_text(
            "from robustness.tasks import load\n\ndef make():\n    return load('digits-mlp')\n"
        )
    study(tmp_path / "one", "own_task_twice:make").load_task()
    with pytest.raises(
        SpecError, match=r"two/own_task_twice.py: is not the module that this process imported"
    ):
        study(tmp_path / "two", "own_task_twice:make").load_task()


JUDGED = """
from dataclasses import replace
from robustness.tasks import Metric, load

def f1(outputs, targets):
    return (outputs.argmax(-1) == targets).float().mean()

def own():
    return replace(load("digits-mlp"), metric=Metric("macro F1", "max", function=f1, over="split"))

def without():
    return replace(own(), correct=None)
"""


@pytest.fixture
def judged(tmp_path):
    """Make the task of a study, beside which there are tasks with a metric of their own."""
    (tmp_path / "judged_tasks.py").write_text(JUDGED)

    def made(task, metric):
        spec = study(tmp_path, task if "-" in task else f"judged_tasks:{task}")
        return spec.model_copy(update={"metric": metric}).load_task()

    return made


@pytest.mark.parametrize(
    ("task", "metric", "name"),
    [
        ("digits-mlp", None, "error"),
        ("digits-mlp", "loss", "loss"),
        ("own", None, "macro F1"),
        ("own", "macro F1", "macro F1"),
        ("own", "error", "error"),
        ("without", "loss", "loss"),
    ],
)
def test_a_study_says_by_what_its_task_is_judged(judged, task, metric, name):
    made = judged(task, metric)
    assert made.metric.name == name
    assert made.metric.unit == {"error": "%", "loss": "nats", "macro F1": ""}[name]
    assert made.chance_metric is not None


@pytest.mark.parametrize(
    ("task", "metric", "message"),
    [
        (
            "own",
            "macro f1",
            r"metric: must be error, loss or 'macro F1', but got 'macro f1' \(did you mean 'macro F1'",
        ),
        ("digits-mlp", "eror", r"metric: must be error or loss, but got 'eror' \(did you mean 'error'\?\)"),
        (
            "without",
            "error",
            r"metric: .*without has no accuracy \(correct=None\), so it must be loss or 'macro F1'",
        ),
    ],
)
def test_a_metric_that_the_task_has_not_is_refused_in_one_line(judged, task, metric, message):
    with pytest.raises(SpecError, match=message) as error:
        judged(task, metric)
    assert "\n" not in str(error.value)
