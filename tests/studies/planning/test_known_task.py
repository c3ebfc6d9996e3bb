"""What a study's folder remembers of its task: enough for every trial's id."""

import pytest

from robustness.tasks import load
from studies.planning.known_task import KnownTask
from studies.planning.trials import expand
from studies.spec.sections import Budget
from studies.spec.study import StudySpec

BUDGET = {"epochs": 3, "batch_size": 50}


def test_the_remembered_task_gives_every_trial_the_id_that_the_task_itself_gives(tmp_path):
    (tmp_path / "text").write_text("some text " * 200)
    options = {"name": "char-lm", "text": str(tmp_path / "text"), "context": 8}
    spec = StudySpec(
        name="s",
        task=options,
        budget=BUDGET,
        grid={"lr": [0.1, 0.2], "weight_decay": [0]},
        optimizers={"adamw": {}, "dualadam": {"switch_fraction": 0.5}},
    )
    task = spec.load_task()
    known = KnownTask.of(task, spec.budget)
    assert "text" not in known.options
    assert expand(spec, known) == expand(spec, task)


def test_steps_are_known_for_the_budget_of_the_study_alone():
    task = load("digits-mlp")
    known = KnownTask.of(task, Budget(**BUDGET))
    assert known.steps(3, 50) == task.steps(3, 50)
    with pytest.raises(ValueError, match="epochs and batch_size must be 3 and 50, but got 4 and 50"):
        known.steps(4, 50)
