"""Tasks: what they are made of, and that everything about them is fixed."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from robustness.tasks import TASKS, Split, Task, catalogue, load
from robustness.tasks.networks import NETWORKS, Images, made


@pytest.mark.parametrize("name", sorted(TASKS.keys() - {"finetune"}))  # which needs files
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


LOADED = """
import sys
from robustness.tasks.digits import splits
print([float(split.inputs.double().sum()) for split in splits()], [int(split.targets.sum()) for split in splits()])
print("sklearn" in sys.modules)
"""


def test_digits_are_kept_and_made_again_where_what_is_kept_is_damaged(tmp_path):
    def loaded():
        environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", LOADED], capture_output=True, text=True, env=environment, check=True
        )
        return done.stdout.splitlines()

    first, again = loaded(), loaded()
    assert (first[1], again[1]) == ("True", "False")
    assert again[0] == first[0]
    (kept,) = (tmp_path / "robustness" / "data").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    assert loaded() == first
    assert loaded() == again


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


def test_the_catalogue_has_a_line_for_every_task_data_set_and_network():
    lines = {name: (what, options) for name, what, options in catalogue()}
    assert {*TASKS, "cifar10/…", "image-folder/…", "…/resnet18", "…/vit-s4", "…/<name>"} <= lines.keys()
    assert all(what and "\n" not in what + options for what, options in lines.values())
    assert lines["…/cnn"][1] == "width=16, depth=2"
    image_folder = "root, size=null, validation=0.1, train_size=null, test_size=null, augment=[]"
    assert lines["image-folder/…"][1] == image_folder


@pytest.mark.parametrize("name", [*NETWORKS, "mobilenet_v3_small"])
@pytest.mark.parametrize("images", [Images(3, 32, 10), Images(1, 32, 7)])
def test_every_network_takes_small_images_of_colour_and_of_grey(name, images):
    with torch.device("meta"):
        model = made(name, images, {})()
        outputs = model(torch.empty(2, images.channels, 32, 32))
    assert outputs.shape == (2, images.classes)


def test_networks_are_the_published_ones():
    def count(name, **options):
        with torch.device("meta"):
            return sum(p.numel() for p in made(name, Images(3, 32, 10), options)().parameters())

    assert count("resnet18") == 11_173_962  # torchvision's with a 3x3 stem, as is usual for CIFAR-10
    assert count("resnet8") == 77_850
    assert count("mlp", width=8, depth=1) == 3072 * 8 + 8 + 8 * 10 + 10
    assert count("cnn", width=4, depth=1) == 4 * 27 + 4 + 4 * 256 * 10 + 10
    # patches 4*4*3 -> 384, class token, 65 positions, 8 blocks of 12 * 384^2 + 13 * 384, a norm, a head
    assert count("vit-s4") == 48 * 384 + 384 + 384 + 65 * 384 + 8 * (12 * 384**2 + 13 * 384) + 768 + 3850


def test_a_network_that_does_not_take_the_images_is_one_clear_line():
    with pytest.raises(ValueError, match=r"vit-s4 does not take images of \(3, 30, 30\): .* patches of 4"):
        made("vit-s4", Images(3, 30, 10), {})


@pytest.mark.parametrize(
    ("inputs", "given"),
    [
        ([torch.zeros(1, 4)] * 6, "a list"),
        ((torch.zeros(6, 4), torch.zeros(6, 4)), "a tuple"),
        ({"ids": torch.zeros(6, 4), "mask": torch.zeros(6, 4)}, "a dict"),
        (DataLoader(TensorDataset(torch.zeros(6, 4))), "a DataLoader"),
        (np.array(["a"] * 6, dtype=object), "an array of object"),
    ],
)
def test_a_split_says_what_it_was_given_instead_of_a_tensor(inputs, given):
    with pytest.raises(
        TypeError, match=rf"inputs must be a tensor \[N, ...\] or a numpy array .*but got {given}$"
    ):
        Split(inputs, torch.zeros(6, dtype=torch.int64))


def test_a_split_takes_numpy_arrays():
    split = Split(np.ones((6, 4), dtype=np.float32)[::-1], np.arange(6))
    assert torch.equal(split.inputs, torch.ones(6, 4))
    assert torch.equal(split.targets, torch.arange(6))
