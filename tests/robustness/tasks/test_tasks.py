"""Tasks: what they are made of, and that everything about them is fixed."""

import pytest
import torch

from robustness.tasks import TASKS, Split, Task, load


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_step_on_every_registered_task_gives_finite_gradients(name):
    task = load(name)
    model = task.model()
    loss = task.loss(model(task.train.inputs[:32]), task.train.targets[:32])
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_digits_are_cut_into_fixed_stratified_splits():
    task = load("digits-mlp")
    assert [len(split) for split in task.splits.values()] == [1077, 360, 360]
    for split in task.splits.values():
        shares = torch.bincount(split.targets, minlength=10) / len(split)
        torch.testing.assert_close(shares, torch.full((10,), 0.1), atol=0.006, rtol=0)
    rows = torch.cat([split.inputs for split in task.splits.values()])
    assert len(torch.unique(rows, dim=0)) == 1797  # no image is in two splits


def test_digits_are_standardized_by_the_train_split():
    train = load("digits-mlp").train.inputs
    assert train.mean().item() == pytest.approx(0, abs=1e-6)
    assert train.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_digits_mlp_has_the_layers_that_its_name_promises():
    shapes = [tuple(p.shape) for p in load("digits-mlp").model().parameters()]
    assert shapes == [(128, 64), (128,), (128, 128), (128,), (10, 128), (10,)]


def test_chance_accuracy_is_the_share_of_the_commonest_training_class():
    split = Split(torch.zeros(4, 1), torch.tensor([0, 1, 1, 1]))
    assert Task("t", split, split, split, torch.nn.Identity).chance_accuracy == 0.75


@pytest.mark.parametrize(("examples", "batch", "steps"), [(10, 3, 3), (10, 10, 1), (10, 64, 1)])
def test_steps_count_whole_batches_and_at_least_one(examples, batch, steps):
    split = Split(torch.zeros(examples, 1), torch.zeros(examples, dtype=torch.int64))
    task = Task("t", split, split, split, torch.nn.Identity)
    assert task.steps(4, batch) == 4 * steps


def test_to_converts_floating_point_data_and_leaves_classes_alone():
    task = load("digits-mlp").to("cpu", torch.float64)
    assert (task.val.inputs.dtype, task.val.targets.dtype) == (torch.float64, torch.int64)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("digits-mpl", "did you mean 'digits-mlp'"),
        ("no.such.module:task", "cannot be imported: ModuleNotFoundError"),
        ("math:pi", "must be a function"),
    ],
)
def test_an_unknown_task_is_a_clear_error(name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


def test_an_unknown_option_names_what_is_allowed():
    with pytest.raises(ValueError, match="'digits-mlp'.*'size'; its options are: none"):
        load("digits-mlp", size=3)


def test_a_function_that_returns_no_task_is_a_clear_error():
    with pytest.raises(ValueError, match="must return a robustness.tasks.Task"):
        load("collections:Counter")


def test_splits_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="3 inputs and 2 targets"):
        Split(torch.zeros(3, 1), torch.zeros(2))
