"""A metric is what its function says of the outputs; a pack gives what trials alone give; bad metrics fail alone."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.nn import functional

from robustness.optimizers import hyperparameters
from robustness.tasks import BITS_PER_CHARACTER, Metric, Split, Task
from robustness.training import PackTrainer, TrialSettings, train
from robustness.training.evaluation.tally import Tally
from robustness.training.packs import evaluating
from robustness.training.randomness import initialized_model

INPUTS = torch.randn(90, 4, generator=torch.Generator().manual_seed(0))
SPLITS = ("train", "val", "test")


def macro_f1(outputs, targets):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return f1_score(targets, outputs.argmax(-1), average="macro")


def absolute(outputs, targets):
    return (outputs - targets).abs().mean(-1)


def absolute_of_one(outputs, targets):
    """No function for many models at once."""
    return torch.from_numpy(np.abs(outputs.numpy() - targets.numpy()).mean(-1))


F1 = Metric("macro F1", "max", function=macro_f1, over="split")
METRICS = [
    F1,
    Metric("absolute error", function=absolute),
    Metric("absolute error", function=absolute_of_one),
]


def model():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def task(metric):
    classes = metric.name != "absolute error"
    targets = torch.arange(90) % 7 % 3 if classes else INPUTS[:, :3].square()
    parts = [Split(INPUTS[start::3], targets[start::3]) for start in range(3)]
    way = {} if classes else {"loss": functional.mse_loss, "correct": None}
    return Task("tiny", *parts, model, metric=metric, **way)


def trials(rates=(0.02, 0.1, 0.5)):
    return [
        TrialSettings(
            "sgd",
            {**hyperparameters("sgd"), "lr": lr, "weight_decay": 0.0},
            seed=seed,
            epochs=3,
            batch_size=8,
            grad_scale=1.0,
        )
        for lr in rates
        for seed in (0, 1)
    ]


def both_ways(given, settings):
    """Train in a pack and alone, in float64."""
    together = PackTrainer(given, dtype=torch.float64).train(settings)
    return [(one, train(given, s, dtype=torch.float64)) for one, s in zip(together, settings, strict=True)]


@pytest.mark.parametrize("collected", [evaluating.MOST_COLLECTED, 1, 2000])
@pytest.mark.parametrize("metric", METRICS, ids=["split", "examples", "one by one"])
def test_a_pack_gives_the_metrics_that_its_trials_give_alone(metric, collected, monkeypatch):
    monkeypatch.setattr(evaluating, "MOST_COLLECTED", collected)
    for one, alone in both_ways(task(metric), trials()):
        assert one.status == alone.status == "completed"
        values = [[point.metric for point in result.curves] for result in (one, alone)]
        assert values[0] == pytest.approx(values[1], rel=1e-9, abs=1e-12)
        assert len(values[0]) == 12
        assert len(set(values[0])) > 3
        for split in SPLITS:
            assert one.metrics[f"{split}_metric"] == pytest.approx(alone.metrics[f"{split}_metric"], rel=1e-9)


@pytest.mark.parametrize("metric", METRICS[:2], ids=["split", "examples"])
def test_a_metric_is_what_its_function_gives_for_all_outputs_of_a_split(metric):
    given = task(metric)
    first = train(given, trials()[0]).curves[:3]
    own = initialized_model(given, 0)
    for point, split in zip(first, given.splits.values(), strict=True):
        values = metric.function(own(split.inputs).detach(), split.targets)
        assert point.metric == pytest.approx(float(np.mean(np.asarray(values))), rel=1e-6)


def test_derived_metrics_follow_from_loss_and_accuracy_at_every_point():
    for metric in (None, BITS_PER_CHARACTER):
        given = replace(task(F1), metric=metric)
        for result in (train(given, trials()[0]), PackTrainer(given).train(trials()[:2])[0]):
            for point in result.curves:
                want = 1 - point.accuracy if metric is None else point.loss / math.log(2)
                assert point.metric == want


BAD = {
    "nan": (lambda o, y: math.nan, "returned nan"),
    "none": (lambda o, y: None, "returned None"),
    "text": (lambda o, y: "good", "returned 'good'"),
    "many": (lambda o, y: o.mean(0), "returned the shape [3]"),
    "raises": (lambda o, y: 1 / 0, "raised ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_metric_that_gives_no_number_fails_its_trial_in_one_line(bad):
    function, told = BAD[bad]
    given = task(Metric("macro F1", "max", function=function, over="split"))
    for results in both_ways(given, trials()[:2]):
        for result in results:
            assert result.status == "failed"
            assert result.metrics == {}
            message = f"metric 'macro F1' must return one finite number, but {told} (train split)"
            assert result.reason == message


def large_fails(outputs, targets):
    return math.nan if outputs.abs().max() > 1e3 else outputs.abs().mean()


@pytest.mark.parametrize("over", ["split", "examples"])
def test_a_trial_whose_metric_fails_on_the_way_leaves_its_mates_their_numbers(over):
    def each(outputs, targets):
        return torch.where(outputs.abs().amax(-1) > 1e3, math.nan, outputs.abs().mean(-1))

    given = task(Metric("size", function=large_fails if over == "split" else each, over=over))
    results = both_ways(given, trials(rates=(0.1, 1e5, 0.02)))
    statuses = [[one.status for one in pair] for pair in results]
    assert statuses == [["completed"] * 2] * 2 + [["failed"] * 2] * 2 + [["completed"] * 2] * 2
    for one, alone in results:
        assert one.reason == alone.reason
        for name, value in alone.metrics.items():
            assert one.metrics[name] == pytest.approx(value, rel=1e-9)
    assert results[2][0].reason.startswith("metric 'size' must return one finite number, but returned nan (")


def test_the_values_of_examples_are_one_for_each():
    given = task(Metric("size", function=lambda outputs, targets: outputs.abs().mean()))
    for result in both_ways(given, trials()[:1])[0]:
        assert result.reason == (
            "metric 'size' must return one value for each example, [30], but returned the shape [] (train split)"
        )
        assert result.status == "failed"


def test_a_trial_whose_loss_is_not_finite_has_diverged_whatever_its_metric_gives():
    given = task(METRICS[1])
    broken = replace(given.val, targets=torch.full_like(given.val.targets, math.inf))
    for result in both_ways(replace(given, val=broken), trials()[:1])[0]:
        assert (result.status, result.reason) == ("diverged", "non-finite loss at the end (val)")
        assert result.metrics["val_metric"] is None
        assert result.metrics["test_metric"] > 0


def test_outputs_in_several_tensors_cannot_be_collected():
    tally = Tally(F1)
    tally.add((torch.ones(2, 3), torch.ones(2)), torch.ones(2))
    assert tally.result(0.5, None).problem == (
        "metric 'macro F1' of a whole split needs outputs in one tensor, but got a tuple"
    )
