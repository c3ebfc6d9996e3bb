"""Plans: every trial that is not stored, once, in packs."""

import pytest

from studies.errors import SpecError
from studies.plan import cut, plan
from studies.spec import StudySpec, load_spec


def test_packs_hold_every_trial_once_and_in_order():
    work = plan(load_spec("smoke"), set())
    packs = cut(work.trials, 5)
    assert [len(pack.trials) for pack in packs] == [5, 5, 5, 3]
    assert [trial for pack in packs for trial in pack.trials] == list(work.trials)
    assert len({pack.pack_id for pack in packs}) == 4


def test_stored_trials_are_not_planned_again():
    everything = plan(load_spec("smoke"), set())
    stored = {trial.trial_id for trial in everything.trials[:7]}
    work = plan(load_spec("smoke"), stored)
    assert work.pending == 11
    assert stored.isdisjoint(trial.trial_id for pack in work.packs for trial in pack.trials)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("no_such_module:make", "own.yaml: task: .*No module named 'no_such_module'"),
        ("{name: digits-mlp, size: 3}", "own.yaml: task: 'digits-mlp'.*'size'; its options are: none"),
        ("{name: 'broken_task:make'}", "own.yaml: task: .*broken_task.*ZeroDivisionError"),
    ],
)
def test_a_task_that_cannot_be_made_is_one_line_that_begins_with_the_file(tmp_path, task, message):
    (tmp_path / "broken_task.py").write_text("make = 1 / 0\n")
    (tmp_path / "own.yaml").write_text(
        f"name: own\ntask: {task}\nbudget: {{epochs: 1, batch_size: 8}}\n"
        "grid: {lr: [0.1], weight_decay: [0]}\noptimizers: {sgd: {}}\n"
    )
    with pytest.raises(SpecError, match=message) as error:
        plan(StudySpec.from_yaml(tmp_path / "own.yaml"), set())
    assert "\n" not in str(error.value)
