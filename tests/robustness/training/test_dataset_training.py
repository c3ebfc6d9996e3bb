"""Trials whose examples are read from datasets: the numbers of tensors, and variable length by hand."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from robustness.tasks import LOSS, DatasetSplit, Metric, Split, Task, load
from robustness.tasks.task import cross_entropy
from robustness.training import (
    Checkpoint,
    PackTrainer,
    TaskUnfitError,
    Training,
    TrialSettings,
    choose,
    preflight,
    sequential_seconds,
    train,
)
from robustness.training.evaluation.constant import with_nothing
from robustness.training.trial import evaluate

SHORT = TrialSettings("adamw", {"lr": 1e-2, "weight_decay": 0.0}, epochs=2, batch_size=8)


def numbers(result):
    return replace(result, wall_seconds=0.0)


@pytest.fixture(scope="module")
def digits():
    """A few digits, as tensors."""
    task = load("digits-mlp")
    return replace(task, **{name: split.first(70) for name, split in task.splits.items()})


def read(task, workers=0, only=("train", "val", "test")):
    """Return the task with the same data, read from datasets."""
    splits = {name: task.splits[name] for name in only}
    return replace(
        task,
        **{
            name: DatasetSplit(TensorDataset(*split.whole()), workers=workers)
            for name, split in splits.items()
        },
    )


class Shifted:
    """Digits, each moved at random when it is read."""

    def __init__(self, split):
        self.inputs, self.targets = split.whole()

    def __len__(self):
        return len(self.targets)

    def __getitem__(self, number):
        shift = random.choice([-1, 0, 1]) + int(torch.randint(3, ()))
        return self.inputs[number].roll(shift), self.targets[number]


def shifted(task, workers=0):
    return replace(task, train=DatasetSplit(Shifted(task.train), workers=workers))


@pytest.mark.parametrize("only", [("train", "val", "test"), ("train",), ("val",)])
def test_a_dataset_of_the_same_tensors_gives_the_same_numbers(digits, only):
    assert numbers(train(read(digits, only=only), SHORT)) == numbers(train(digits, SHORT))


def test_so_it_does_by_workers_in_bfloat16_with_clipped_gradients_and_by_a_closure(digits):
    settings = replace(SHORT, training=Training(precision="bf16", clip_norm=0.1), epochs=1)
    assert numbers(train(read(digits, 2), settings)) == numbers(train(digits, settings))
    closure = replace(
        SHORT, optimizer="torch.optim:LBFGS", hyperparameters={"lr": 0.1, "weight_decay": 0.0}, epochs=1
    )
    assert numbers(train(read(digits), closure)) == numbers(train(digits, closure))


def test_random_changes_follow_the_trial_not_the_number_of_workers(digits):
    alone = train(shifted(digits), SHORT)
    random.random(), torch.rand(3)
    assert numbers(train(shifted(digits, 2), SHORT)) == numbers(alone)
    assert alone.metrics != train(digits, SHORT).metrics
    assert alone.metrics != train(shifted(digits), replace(SHORT, seed=1)).metrics


def test_a_trial_that_is_resumed_sees_the_same_changes(digits, tmp_path):
    whole = train(shifted(digits), replace(SHORT, epochs=3))
    checkpoint = Checkpoint(tmp_path / "c", every=1)
    train(shifted(digits), replace(SHORT, epochs=3), checkpoint=checkpoint)  # saved after its second epoch
    assert checkpoint.load()["epoch"] == 2
    assert numbers(train(shifted(digits, 1), replace(SHORT, epochs=3), checkpoint=checkpoint)) == numbers(
        whole
    )


def padded(items):
    """Make a batch of token sequences of any length: inputs filled up with 0, targets with -100."""
    tokens = nn.utils.rnn.pad_sequence([torch.tensor(one) for one, _ in items], batch_first=True)
    targets = [torch.tensor(target) for _, target in items]
    return {"tokens": tokens}, nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=-100)


class Scores(nn.Module):
    """Scores of 3 classes for each token."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(3, 3)

    def forward(self, inputs):
        return self.table(inputs["tokens"])


SEQUENCES = [([0, 1, 2], [1, 2, 0]), ([1], [1]), ([2, 2], [0, 2]), ([0, 0, 0, 0], [1, 1, 1, 1])] * 10


def sequences(items=SEQUENCES, **changes):
    split = DatasetSplit(items, collate=padded)
    return Task("tokens", split, split, split, Scores, loss=cross_entropy, **{"correct": None, **changes})


def test_the_loss_is_the_mean_over_the_targets_that_count_however_batches_are_cut():
    task, model = sequences(), Scores()
    losses = [
        nn.functional.cross_entropy(model.table(torch.tensor(one)), torch.tensor(target), reduction="none")
        for one, target in SEQUENCES
    ]
    expected = float(torch.cat(losses).detach().mean())
    assert evaluate(task, model, task.val).loss == pytest.approx(expected, rel=1e-6)


def test_ignored_targets_of_tensors_do_not_count_alone_or_in_a_pack():
    targets = torch.tensor([[1, -100, -100], [0, 1, 2], [-100, 2, -100]] * 20)
    tokens = torch.tensor([[0, 1, 2], [1, 1, 0], [2, 0, 1]] * 20)
    split = Split(tokens, targets)
    task = Task("t", split, split, split, lambda: nn.Embedding(3, 3), loss=cross_entropy, correct=None)
    alone = train(task, SHORT)
    [packed] = PackTrainer(task).train([SHORT])
    model = nn.Embedding(3, 3)
    counts = targets != -100
    expected = nn.functional.cross_entropy(model(tokens)[counts].detach(), targets[counts])
    assert evaluate(task, model, split).loss == pytest.approx(float(expected), rel=1e-6)
    for name in ("train_loss", "val_loss", "test_loss"):
        assert packed.metrics[name] == pytest.approx(alone.metrics[name], rel=1e-4)


def test_ignored_class_numbers_are_neither_right_nor_wrong_alone_or_in_a_pack():
    targets = torch.tensor([-100, 0, 1, -100, 1, 2] * 10)
    split = Split(torch.tensor([0, 0, 1, 1, 2, 2] * 10), targets)
    task = Task("t", split, split, split, lambda: nn.Embedding(3, 3))
    assert task.chance_accuracy == 0.5  # of 40 that count 20 are 1
    model = nn.Embedding(3, 3)
    with torch.no_grad():
        model.weight.copy_(torch.eye(3))  # names 0, 1, 2: of each six, 0, 1 and 2 are right, and one 1 is not
    assert evaluate(task, model, split).accuracy == 0.75
    alone = train(task, SHORT)
    [packed] = PackTrainer(task).train([SHORT])
    assert packed.metrics["val_accuracy"] == alone.metrics["val_accuracy"]


def test_a_task_of_variable_length_trains_and_knows_what_knowing_nothing_gives():
    task = with_nothing(sequences())
    # of 100 targets 20 are 0, 60 are 1 and 20 are 2
    assert task.chance_metric == pytest.approx(
        -(0.4 * torch.tensor(0.2).log() + 0.6 * torch.tensor(0.6).log())
    )
    preflight(task, {"adamw": SHORT})
    result = train(task, SHORT)
    assert result.metrics["val_loss"] < result.init_loss


def test_a_metric_of_outputs_of_variable_length_needs_its_value_of_knowing_nothing():
    metric = Metric("hits", function=lambda out, y: (out.argmax(-1) == y).sum(-1) / 4.0, direction="max")
    with pytest.raises(
        TaskUnfitError,
        match=r"what knowing nothing gives by the metric 'hits' cannot be computed .* nothing=",
    ):
        preflight(sequences(metric=metric), {"adamw": SHORT})
    task = sequences(metric=replace(metric, nothing=0.2))
    preflight(task, {"adamw": SHORT})
    assert train(task, SHORT).metrics["val_metric"] > 0


def test_a_loss_of_ones_own_has_its_constant_from_the_targets_that_are_read():
    inputs = torch.arange(40.0)[:, None]
    split = DatasetSplit(TensorDataset(inputs, 2 * inputs))
    task = Task(
        "line", split, split, split, lambda: nn.Linear(1, 1), loss=nn.functional.mse_loss, correct=None
    )
    assert with_nothing(task).chance_metric == pytest.approx(float((2 * inputs).var(correction=0)))
    assert task.metric.name == LOSS.name


def test_the_engine_is_sequential_and_says_why(digits):
    task = read(digits)
    engine = choose(task, [SHORT], "cpu")
    assert (engine.name, engine.reason) == ("sequential", "no packs: the data come from a DataLoader")
    with pytest.raises(
        ValueError, match="cannot be trained by the fused engine: the data come from a DataLoader"
    ):
        choose(task, [SHORT], "cpu", "fused")
    with pytest.raises(ValueError, match="has a DatasetSplit, but packs train on splits of tensors"):
        PackTrainer(task)
    assert sequential_seconds(read(digits, 1), SHORT, "cpu") > 0


@pytest.mark.parametrize(
    ("item", "line"),
    [
        (
            lambda n: torch.ones(2),
            r"^a batch must be a pair \(inputs, targets\), but is a Tensor \(train split\)$",
        ),
        (
            lambda n: (torch.ones(2), 0.5),
            "^the targets are float32 numbers, but correct compares class numbers",
        ),
        (lambda n: (torch.ones(2), 3), "^the model has 3 outputs, .* but the train split has 3$"),
        (lambda n: (torch.ones(3), 0), "^RuntimeError: mat1 and mat2 shapes cannot be multiplied"),
    ],
)
def test_a_dataset_that_does_not_fit_is_refused_before_training(item, line):
    split = DatasetSplit([item(n) for n in range(20)])
    task = Task("t", split, split, split, lambda: nn.Linear(2, 3), chance_accuracy=0.5)
    with pytest.raises(TaskUnfitError, match=line):
        preflight(task, {"adamw": SHORT})


def test_flatness_of_a_dataset_is_refused_before_training(digits):
    for begin in (lambda task, s: preflight(task, {"adamw": s}), train):
        with pytest.raises(
            TaskUnfitError, match="^flatness needs tensors, but the train split of digits-mlp is"
        ):
            begin(read(digits), replace(SHORT, flatness=True))


class Noisy:
    """Points with noise from a generator that is given, or from numpy's default one."""

    def __init__(self, generator=np.random):
        self.generator = generator

    def __len__(self):
        return 20

    def __getitem__(self, number):
        return torch.ones(2) + float(self.generator.normal()), number % 2


def test_a_dataset_that_draws_from_a_generator_of_its_own_is_refused_before_training():
    for generator in (np.random, np.random.default_rng(0)):
        noisy, plain = DatasetSplit(Noisy(generator)), Split(torch.ones(20, 2), torch.arange(20) % 2)
        task = Task("noisy", plain, noisy, plain, lambda: nn.Linear(2, 2))
        if generator is np.random:
            preflight(task, {"adamw": SHORT})
            continue
        with pytest.raises(
            TaskUnfitError, match=r"^the dataset gives other examples each time .*\(val split\)"
        ):
            preflight(task, {"adamw": SHORT})
