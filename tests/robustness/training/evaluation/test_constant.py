"""Knowing nothing: the best constant output in closed form, or found; refused where there is none."""

import math
import warnings
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from torch import nn
from torch.nn import functional

from robustness.tasks import BITS_PER_CHARACTER, ERROR, LOSS, Metric, Split, Task, load
from robustness.tasks.task import cross_entropy
from robustness.training.evaluation import constant
from robustness.training.evaluation.constant import knowing_nothing, with_nothing

CLASSES = torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])
NUMBERS = torch.tensor([1.0, 2.0, 4.0, 9.0, 30.0]).unsqueeze(1)
ENTROPY = 0.5 * math.log(2) + 0.5 * math.log(4)


def task(targets, outputs, **changes):
    split = Split(torch.ones(len(targets), 2), targets)
    model = changes.pop("model", lambda: nn.Linear(2, outputs))
    return Task("t", split, split, split, model, **{"correct": None, **changes})


@pytest.mark.parametrize(
    ("loss", "nothing"),
    [
        (functional.mse_loss, ((NUMBERS - 9.2) ** 2).mean().item()),
        (nn.MSELoss(), ((NUMBERS - 9.2) ** 2).mean().item()),
        (lambda o, y: (o - y).square().mean(), ((NUMBERS - 9.2) ** 2).mean().item()),
        (functional.l1_loss, (NUMBERS - 4.0).abs().mean().item()),
        (lambda o, y: (o.exp() - y * o).mean(), 9.2 - 9.2 * math.log(9.2)),  # Poisson
    ],
    ids=["mse", "mse module", "found mse", "median", "poisson"],
)
def test_the_loss_of_the_best_constant_for_numbers(loss, nothing):
    assert knowing_nothing(task(NUMBERS, 1, loss=loss)) == pytest.approx(nothing, rel=1e-6)


@pytest.mark.parametrize(
    "loss", [functional.cross_entropy, nn.CrossEntropyLoss(), lambda o, y: cross_entropy(o, y)]
)
def test_the_loss_of_the_best_constant_for_classes_is_their_entropy(loss):
    assert knowing_nothing(task(CLASSES, 3, loss=loss)) == pytest.approx(ENTROPY, rel=1e-9)
    bits = task(CLASSES, 3, loss=loss, metric=BITS_PER_CHARACTER)
    assert knowing_nothing(bits) == pytest.approx(1.5, rel=1e-9)


def test_a_weighted_cross_entropy_is_minimized_as_it_is():
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64))
    assert knowing_nothing(task(CLASSES, 3, loss=loss)) == pytest.approx(math.log(3), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_no_constant_has_a_lower_cross_entropy(classes):
    made = task(torch.tensor(classes), 4, loss=functional.cross_entropy)
    scores = (
        torch.randn(50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(len(classes))) * 3
    )
    losses = [functional.cross_entropy(one.expand(len(classes), 4), made.train.targets) for one in scores]
    assert knowing_nothing(made) <= min(map(float, losses)) + 1e-12


def test_macro_f1_of_knowing_nothing_is_that_of_the_majority_class():
    def macro_f1(outputs, targets):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return f1_score(targets, outputs.argmax(-1), average="macro")

    metric = Metric("macro F1", "max", function=macro_f1, over="split")
    made = with_nothing(task(CLASSES, 3, loss=functional.cross_entropy, metric=metric))
    assert made.chance_metric == pytest.approx(
        2 * 4 / (8 + 4) / 3
    )  # precision 1/2, recall 1, two classes at 0


def test_an_absolute_error_is_taken_of_the_mean_that_squared_error_trains_to():
    metric = Metric("absolute error", function=lambda outputs, targets: (outputs - targets).abs().mean(-1))
    made = task(NUMBERS, 1, loss=functional.mse_loss, metric=metric)
    assert knowing_nothing(made) == pytest.approx((NUMBERS - 9.2).abs().mean().item())


def test_a_given_value_and_the_error_are_not_computed():
    made = task(CLASSES, 3, loss=lambda o, y: 1 / 0, metric=replace(LOSS, nothing=2.0))
    assert with_nothing(made) is made
    classes = task(CLASSES, 3, model=lambda: 1 / 0, correct=load("digits-mlp").correct, metric=ERROR)
    assert with_nothing(classes).chance_metric == 0.5


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (lambda o, y: o.mean(), "no constant output with a least loss was found"),
        (lambda o, y: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_one_line_that_says_what_to_give(loss, why):
    with pytest.raises(ValueError, match=f"{why}.*; give the task's metric the number as nothing=") as error:
        knowing_nothing(task(NUMBERS, 1, loss=loss))
    assert "\n" not in str(error.value)


def test_it_is_deterministic_and_leaves_random_numbers_as_they_were(monkeypatch):
    made = task(NUMBERS, 1, loss=functional.huber_loss)
    before = torch.get_rng_state()
    assert knowing_nothing(made) == knowing_nothing(made)
    assert torch.equal(torch.get_rng_state(), before)
    monkeypatch.setattr(constant, "MOST_EXAMPLES", 3)  # the first, the second and the fourth
    few = task(NUMBERS[[0, 1, 3]], 1, loss=functional.l1_loss)
    assert knowing_nothing(replace(made, loss=functional.l1_loss)) == pytest.approx(knowing_nothing(few))
