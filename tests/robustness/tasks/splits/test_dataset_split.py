"""Splits from datasets: the batches they give, whoever reads them, and each thing that is no batch in one line."""

import os
import random
from dataclasses import replace
from multiprocessing.connection import Client
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from robustness.tasks import DatasetSplit, Split, Task, load
from robustness.tasks.splits import dataset_split
from robustness.tasks.splits.reading import DataError, worker_died

INPUTS, TARGETS = torch.arange(20.0).view(10, 2), torch.arange(10) % 3
PLAIN = TensorDataset(INPUTS, TARGETS)


class Items:
    """A dataset of a function of the number, with what else is given as attributes."""

    def __init__(self, item, count=10, **attributes):
        self.item, self.count = item, count
        vars(self).update(attributes)

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        return self.item(number)


def noisy(number):
    return torch.tensor([torch.rand(()), random.random(), np.random.rand()]), number % 3  # noqa: NPY002


def task(split, **changes):
    return Task("t", split, split, split, lambda: nn.Linear(2, 3), **changes)


def same(one, other):
    return all(torch.equal(x, u) and torch.equal(y, v) for (x, y), (u, v) in zip(one, other, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_the_tensors(workers):
    split, indices = DatasetSplit(PLAIN, workers=workers), torch.tensor([[3, 1], [0, 9]])
    tensors = Split(INPUTS, TARGETS)
    assert same(list(split.batches(4)), list(tensors.batches(4)))
    assert same(list(split.chosen(indices, 1)), list(tensors.chosen(indices, 1)))
    assert same([split.whole()], [tensors.whole()])
    assert same([split.first(3).whole()], [tensors.first(3).whole()])
    assert split.example_size == tensors.example_size == (2, 1)


def test_draws_depend_on_their_seed_and_the_batch_not_on_the_reader():
    indices = torch.tensor([[3, 1], [3, 1]])
    alone, by_two = (list(DatasetSplit(Items(noisy), workers=n).chosen(indices, 7)) for n in (0, 2))
    assert same(alone, by_two)
    assert not torch.equal(alone[0][0], alone[1][0])  # the same examples in another batch
    assert not same(alone, list(DatasetSplit(Items(noisy)).chosen(indices, 8)))
    split = DatasetSplit(Items(noisy))
    assert same(list(split.batches(4)), list(split.batches(4)))


@pytest.mark.parametrize("workers", [0, 1])
def test_the_generators_of_this_process_are_left_alone(workers):
    torch.manual_seed(0), random.seed(0), np.random.seed(0)  # noqa: NPY002
    expected = noisy(0)[0]
    torch.manual_seed(0), random.seed(0), np.random.seed(0)  # noqa: NPY002
    list(DatasetSplit(Items(noisy), workers=workers).batches(4))
    assert torch.equal(noisy(0)[0], expected)


def test_dictionaries_and_tuples_are_given_as_collate_makes_them_and_cast():
    def item(number):
        return {"x": torch.ones(2).double(), "pair": (torch.tensor(number), torch.zeros(1))}, number % 3

    inputs, targets = DatasetSplit(Items(item)).to("cpu", torch.float64).first(2).whole()
    assert {name: type(value) for name, value in inputs.items()} == {"x": torch.Tensor, "pair": list}
    assert (inputs["x"].dtype, inputs["pair"][0].dtype, inputs["pair"][1].dtype) == (
        torch.float64,
        torch.int64,
        torch.float64,
    )
    assert DatasetSplit(Items(item)).first(1).whole()[0]["x"].dtype == torch.float32
    assert DatasetSplit(Items(item)).example_size == (4, 1)
    assert targets.tolist() == [0, 1]


def test_what_a_dataset_keeps_of_an_evaluation_can_be_trained_on():
    kept = {}
    split = DatasetSplit(Items(lambda number: (kept.setdefault(number, torch.ones(2) * number), 0)))
    with torch.inference_mode():
        list(split.batches(4))
    assert not kept[0].is_inference()


def broken(number):
    if number == 4:
        raise KeyError("no such file")
    return torch.ones(2), 0


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("item", "line"),
    [
        (broken, "example 4 of the dataset: KeyError: 'no such file' (test_dataset_split.py:"),
        (
            lambda n: (torch.ones(2 + (n == 4)), 0),
            "examples 4, 5, 6, … do not make a batch: RuntimeError: ",
        ),
        (lambda n: torch.ones(2), "a batch must be a pair (inputs, targets), but is a Tensor"),
        (lambda n: (torch.ones(2), 1, 2), "a batch must be a pair (inputs, targets), but is a list of 3"),
        (
            lambda n: (torch.ones(2), "cat"),
            "the targets of 4 examples must be a tensor [4, ...], but a tuple of 4",
        ),
        (
            lambda n: ("cat", 1),
            "inputs must be a tensor, or a dictionary, tuple or list of them, but are a tuple",
        ),
    ],
)
def test_what_is_no_batch_is_one_line_whoever_reads_it(item, line, workers):
    with pytest.raises(DataError) as caught:
        list(DatasetSplit(Items(item, 8), workers=workers).batches(4))
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_worker_that_dies_is_one_line():
    split = DatasetSplit(Items(lambda number: os._exit(3) if number == 4 else (torch.ones(2), 0)), workers=1)
    with pytest.raises(
        DataError, match=r"^a worker process of the DataLoader died while it read the dataset \("
    ):
        list(split.batches(4))


class Late:
    """What an example looks like whose worker is gone before it is received."""

    def __reduce__(self):
        return Client, ("/no/such/socket", "AF_UNIX")


def raised_by(loader):
    with pytest.raises((OSError, RuntimeError)) as caught:
        list(loader)
    return caught.value


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_worker_that_has_died_is_told_from_what_a_dataset_raises():
    """Which error is raised, where the memory of a batch that was sent is gone with its worker, is chance."""

    def loader(item, workers):
        return DataLoader(Items(item), collate_fn=lambda items: items, num_workers=workers)

    assert worker_died(raised_by(loader(lambda _: Late(), 1)))
    assert worker_died(raised_by(loader(lambda _: os._exit(3), 1)))
    for workers in (0, 1):
        for missing in (lambda _: Path("/no/such/file").read_text(), lambda _: torch.ones(2) @ torch.ones(3)):
            assert not worker_died(raised_by(loader(missing, workers)))


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (
            lambda: DatasetSplit(iter(PLAIN)),
            "map-style, with __len__ and __getitem__",
        ),
        (lambda: DatasetSplit([]), "needs at least one example, but the dataset is empty"),
        (
            lambda: DatasetSplit(PLAIN, collate=3),
            "collate must be a function of a list of examples, but got 3",
        ),
        (lambda: DatasetSplit(PLAIN, workers=-1), "workers must be a whole number from 0, but got -1"),
        (lambda: DatasetSplit(PLAIN, workers=True), "workers must be a whole number from 0, but got True"),
    ],
)
def test_what_is_no_split_is_refused(make, line):
    with pytest.raises((TypeError, ValueError), match=line):
        make()


def test_chance_accuracy_is_from_the_targets_that_a_dataset_has_without_reading_it():
    read = []
    counted = Items(
        lambda number: (read.append(number), (torch.ones(2), number // 32))[1],
        count=40,
        targets=[0] * 32 + [1] * 8,
    )
    assert task(DatasetSplit(counted)).chance_accuracy == 0.8
    assert len(read) == 16  # to see that the targets are those of the examples
    assert (read[0], read[-1]) == (0, 39)
    assert task(DatasetSplit(Subset(counted, [0, 31, 32, 39]))).chance_accuracy == 0.5


def test_targets_that_are_not_those_of_the_examples_are_read():
    other = Items(lambda number: (torch.ones(2), number // 6), targets=[5] * 10)
    assert task(DatasetSplit(other, workers=2)).chance_accuracy == 0.6
    changed = Items(lambda number: (torch.ones(2), number // 6), targets=[0] * 10, target_transform=str)
    assert task(DatasetSplit(changed)).chance_accuracy == 0.6
    merged = Items(lambda number: (torch.ones(2), number // 4 % 2), targets=[0] * 4 + [1] * 4 + [2] * 2)
    assert task(DatasetSplit(merged)).chance_accuracy == 0.6


def test_too_many_targets_to_read_must_be_known(monkeypatch):
    monkeypatch.setattr(dataset_split, "MOST_READ", 9)
    with pytest.raises(
        ValueError, match=r"^chance_accuracy= must be given: the dataset has 10 examples and no"
    ):
        task(DatasetSplit(PLAIN))
    assert task(DatasetSplit(PLAIN), chance_accuracy=0.5).chance_accuracy == 0.5


def test_ignored_targets_are_no_class():
    ignoring = TensorDataset(INPUTS, torch.tensor([-100] * 5 + [0] * 3 + [1] * 2))
    assert task(DatasetSplit(ignoring)).chance_accuracy == 0.6


def test_images_are_prepared_by_tensors_alone():
    images = load("digits-cnn")
    with pytest.raises(ValueError, match=r"^prepare and augment work on splits of tensors"):
        replace(images, val=DatasetSplit(PLAIN), prepare=object())
