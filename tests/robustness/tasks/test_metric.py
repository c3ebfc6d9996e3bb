"""What a task is judged by: its own metric or the usual one, and what is refused as a metric."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from robustness.tasks import BITS_PER_CHARACTER, ERROR, LOSS, Metric, Split, Task, load

SPLIT = Split(torch.zeros(4, 2), torch.tensor([0, 0, 0, 1]))


def task(**changes):
    return Task("t", SPLIT, SPLIT, SPLIT, torch.nn.Identity, **changes)


def test_a_task_with_classes_is_judged_by_the_error_of_which_knowing_nothing_is_known():
    assert task().metric == ERROR
    assert task().chance_metric == 0.25
    assert task(chance_accuracy=0.5).chance_metric == 0.5


@pytest.mark.parametrize(("loss", "unit"), [(functional.cross_entropy, "nats"), (functional.mse_loss, "")])
def test_a_task_without_accuracy_is_judged_by_its_loss(loss, unit):
    made = task(loss=loss, correct=None)
    assert (made.metric, made.chance_metric) == (replace(LOSS, unit=unit), None)


def test_the_usual_metric_follows_a_task_that_is_made_from_another_and_a_chosen_one_stays():
    assert replace(task(), correct=None).metric.unit == "nats"
    assert replace(task(), correct=None, loss=functional.mse_loss).metric == LOSS
    assert replace(task(metric=LOSS), loss=functional.mse_loss).metric == LOSS
    with pytest.raises(ValueError, match="the metric 'error' needs correct, but correct=None"):
        task(metric=ERROR, correct=None)
    with pytest.raises(TypeError, match="metric must be a robustness.tasks.Metric, but got 'loss'"):
        task(metric="loss")


def test_character_tasks_are_judged_by_bits_per_character(tmp_path):
    (tmp_path / "text").write_text("abcd" * 400)
    made = load("char-lm", text=str(tmp_path / "text"), width=8, heads=2)
    assert made.metric == BITS_PER_CHARACTER
    assert made.metric.derived(3 * math.log(2), 0.5) == pytest.approx(3)


def test_error_and_loss_follow_from_accuracy_and_loss_and_nothing_else_does():
    assert (ERROR.derived(2.0, 0.75), LOSS.derived(2.0, 0.75)) == (0.25, 2.0)
    assert Metric("own", function=functional.l1_loss).derived(2.0, 0.75) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "two\nlines"}, "name must be text in one line"),
        ({"name": ""}, "name must not be empty"),
        ({"name": "loss"}, "must not be called 'loss'"),
        ({"direction": "up"}, "direction must be min or max, but got 'up'"),
        ({"over": "batch"}, "over must be examples or split, but got 'batch'"),
        ({"function": None}, r"function must be \(outputs, targets\) -> number, but got None"),
        ({"nothing": math.nan}, "nothing must be a finite number, but got nan"),
    ],
)
def test_what_is_no_metric_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Metric(**{"name": "own", "function": functional.l1_loss, **values})
