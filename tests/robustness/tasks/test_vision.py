"""Image data: what is stored, how it is split and shared, and one clear line for everything that can be wrong."""

import os
import pickle
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from robustness.tasks import load
from robustness.tasks.storage import mapped_split, stratified_order


def folder_task(root, **options):
    return load("image-folder/mlp", **{"root": str(root), "validation": 1 / 3, "width": 4, **options})


def test_an_image_folder_becomes_bytes_with_stratified_splits(tree, tmp_path):
    task = folder_task(tree(tmp_path / "data"))
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 12, "val": 6, "test": 5}
    assert task.train.inputs.dtype == torch.uint8
    assert task.train.inputs.shape == (12, 3, 8, 8)
    assert [torch.bincount(split.targets).tolist() for split in task.splits.values()] == [
        [8, 4],
        [4, 2],
        [2, 3],
    ]
    assert task.test.inputs[:, 0, 0, 0].sort().values.tolist() == [
        19,
        20,
        21,
        22,
        23,
    ]  # red is the number of the image
    red = torch.cat([task.train.inputs, task.val.inputs])[:, 0, 0, 0].tolist()
    assert sorted(red) == list(range(1, 19))  # every training image is in one split
    assert all(
        (colour <= 12) == (target == 0) for colour, target in zip(red, task.train.targets, strict=False)
    )


@pytest.mark.parametrize("size", [3, 6, 9])
def test_training_sets_of_any_size_are_stratified_and_leave_validation_alone(tree, tmp_path, size):
    root = tree(tmp_path / "data")
    task = folder_task(root, train_size=size)
    assert torch.bincount(task.train.targets).tolist() == [2 * size // 3, size // 3]
    assert torch.equal(task.val.inputs, folder_task(root).val.inputs)


def test_a_smaller_test_set_is_stratified(tree, tmp_path):
    root = tree(tmp_path / "data")
    whole = folder_task(root).test.targets
    assert torch.bincount(whole).tolist() == [2, 3]
    assert torch.bincount(folder_task(root, test_size=2).test.targets).tolist() == [1, 1]
    assert torch.equal(folder_task(root, test_size=4).test.targets, whole[:4])


def test_every_stretch_of_the_stored_order_holds_classes_in_proportion():
    targets = np.repeat([0, 1, 2], [50, 30, 20])
    ordered = targets[stratified_order(targets)]
    for start in range(0, 100, 10):
        assert np.abs(np.bincount(ordered[start : start + 10], minlength=3) - [5, 3, 2]).max() <= 1
    assert sorted(stratified_order(targets)) == list(range(100))


def test_inputs_are_standardized_by_the_training_split_in_the_wanted_precision(tree, tmp_path):
    task = folder_task(tree(tmp_path / "data")).to("cpu", torch.float64)
    prepared = task.prepared(task.train.inputs)
    assert prepared.dtype == torch.float64
    torch.testing.assert_close(
        prepared.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-6, rtol=0
    )
    deviation = prepared.std((0, 2, 3), correction=0)
    torch.testing.assert_close(deviation, torch.ones(3, dtype=torch.float64), atol=1e-6, rtol=0)


def test_images_are_brought_to_a_size_and_grey_ones_to_colour(tree, tmp_path):
    task = folder_task(tree(tmp_path / "data", size=(6, 9), mode="L"), size=4)
    assert task.train.inputs.shape == (12, 3, 4, 4)
    assert torch.equal(task.train.inputs[:, 0], task.train.inputs[:, 2])


def test_a_stored_split_travels_as_its_address_and_is_made_again_where_it_is_missing(tree, tmp_path, cache):
    task = folder_task(tree(tmp_path / "data"))
    sent = pickle.dumps(task.train)
    assert len(sent) < 1000
    expected = task.train.inputs.clone()
    (cache / "data").rename(cache / "gone")
    received = pickle.loads(sent)
    assert torch.equal(received.inputs, expected)
    assert torch.equal(received.targets, task.train.targets)
    with pytest.raises(ValueError, match="another than the study's .* copy the same files"):
        mapped_split("0" * 16, task.train.origin.args[1], "train", 0, 3)


def test_the_identity_is_what_the_files_hold_and_not_where_they_lie(tree, tmp_path):
    one, two = (tree(tmp_path / name) for name in ("one", "two"))
    first = folder_task(one)
    assert first.version == folder_task(two).version
    Image.new("RGB", (8, 8), (77, 1, 2)).save(two / "train" / "cat" / "000.png")
    assert first.version != folder_task(two).version
    assert first.version != folder_task(one, size=4).version


def test_images_are_decoded_once(tree, tmp_path, monkeypatch):
    root = tree(tmp_path / "data")
    folder_task(root)
    monkeypatch.setattr(Image, "open", None)
    assert len(folder_task(root).train) == 12


PROPORTIONAL_MEMORY = """
import pickle, sys
import torch
from robustness.tasks.storage import mapped_split
split = mapped_split(*pickle.loads(bytes.fromhex(sys.argv[1])))
print(int(split.inputs.to(torch.int64).sum()), flush=True)  # touches every page
input()  # until all have touched theirs
mine, inside = 0, False
for line in open("/proc/self/smaps"):
    if "-" in line.partition(" ")[0]:
        inside = line.rstrip().endswith("train_inputs.npy")
    elif inside and line.startswith("Pss:"):
        mine += int(line.split()[1]) * 1024
print(mine, flush=True)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="needs Linux to tell shared pages")
def test_processes_share_one_copy_of_the_images(tmp_path):
    root, noise = tmp_path / "data", np.random.default_rng(0)
    for part in ("train", "test"):
        (root / part / "a").mkdir(parents=True)
        for index in range(64):
            pixels = noise.integers(0, 256, (128, 128, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / part / "a" / f"{index}.bmp")
    task = folder_task(root)
    address = pickle.dumps(task.train.origin.args).hex()
    command = [sys.executable, "-c", PROPORTIONAL_MEMORY, address]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    assert len({worker.stdout.readline() for worker in workers}) == 1
    for worker in workers:
        print("go on", file=worker.stdin, flush=True)
    held = [int(worker.communicate(timeout=300)[0]) for worker in workers]
    assert 0.6 * task.train.inputs.nbytes < sum(held) < 1.1 * 64 * 128 * 128 * 3


def test_cifar_is_read_in_full_by_torchvision(cifar):
    task = load("cifar10/cnn", root=str(cifar.parent), validation=0.25, width=2, depth=1)
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 15, "val": 5, "test": 5}
    first = pickle.loads((cifar / "test_batch").read_bytes())
    order = stratified_order(np.array(first["labels"]))
    assert task.test.inputs.numpy().reshape(5, -1).tolist() == first["data"][order].tolist()
    assert task.test.targets.tolist() == np.array(first["labels"])[order].tolist()
    assert task.model()(task.prepared(task.test.inputs)).shape == (5, 5)


def test_mnists_placed_files_are_unpacked_without_a_network(mnist, no_network):
    task = load("mnist/mlp", root=str(mnist.parent.parent), validation=0.5)
    assert task.test.inputs.shape == (10, 1, 28, 28)
    assert task.test.inputs[0].flatten().tolist() == [index % 256 for index in range(784)]
    assert task.test.targets.tolist() == list(range(10))


def test_svhn_counts_its_tenth_class_as_zero(tmp_path, monkeypatch):
    import hashlib

    import scipy.io
    from torchvision.datasets import SVHN

    listed = {}
    for part, count in (("train", 20), ("test", 10)):
        path = tmp_path / f"{part}_32x32.mat"
        images = np.arange(count, dtype=np.uint8) * np.ones((32, 32, 3, 1), dtype=np.uint8)
        labels = np.arange(1, count + 1, dtype=np.uint8)[:, None] % 10
        scipy.io.savemat(path, {"X": images, "y": np.where(labels == 0, 10, labels)})
        listed[part] = ["", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(SVHN, "split_list", listed)
    task = load("svhn/mlp", root=str(tmp_path), validation=0.5)
    order = stratified_order(np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 0]))
    assert task.test.inputs[:, 1, 3, 5].tolist() == order.tolist()
    assert task.test.targets.tolist() == ((order + 1) % 10).tolist()


def test_without_a_network_it_is_said_what_to_place_where(tmp_path, no_network):
    with pytest.raises(ValueError, match="cannot be downloaded") as error:
        load("cifar10/mlp", root=str(tmp_path))
    assert "\n" not in str(error.value)
    assert f"place cifar-10-python.tar.gz (MD5 c58f30108f718f92721af3b95e74349a) in {tmp_path}" in str(
        error.value
    )


def test_a_damaged_download_is_a_checksum_mismatch(cifar, mnist):
    (cifar / "data_batch_1").write_bytes(b"cut short")
    with pytest.raises(ValueError, match="checksum mismatch: .*data_batch_1 has MD5 .*: remove it"):
        load("cifar10/mlp", root=str(cifar.parent))
    (mnist / "t10k-images-idx3-ubyte.gz").write_bytes(b"cut short")
    with pytest.raises(ValueError, match="checksum mismatch: .*t10k-images-idx3-ubyte.gz has MD5"):
        load("mnist/mlp", root=str(mnist.parent.parent))


def damage(root):
    (root / "train" / "dog" / "003.png").write_bytes(b"no image")


def add_class(root):
    (root / "test" / "bird").mkdir()
    Image.new("RGB", (8, 8)).save(root / "test" / "bird" / "1.png")


def empty_class(root):
    (root / "train" / "fish").mkdir()


def another_size(root):
    Image.new("RGB", (9, 8)).save(root / "test" / "cat" / "000.png")


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (damage, "dog/003.png: cannot be read as an image"),
        (add_class, "test has classes that train lacks: bird; train has cat, dog"),
        (
            empty_class,
            "must hold train/<class>/ and test/<class>/ with images, but .*fish holds no image file",
        ),
        (another_size, "cat/000.png: is 9 x 8 and others are 8 x 8: give size"),
        (lambda root: (root / "test").rename(root / "tset"), "there is no folder .*test"),
    ],
)
def test_a_wrong_folder_is_one_clear_line(tree, tmp_path, cache, break_it, message):
    root = tree(tmp_path / "data")
    break_it(root)
    with pytest.raises(ValueError, match=message) as error:
        folder_task(root)
    assert "\n" not in str(error.value)
    assert not list(cache.glob("data/*/"))  # nothing half done is left behind


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 13}, "train_size must be an integer from 1 to 12, but got 13"),
        ({"test_size": 0}, "test_size must be an integer from 1 to 5, but got 0"),
        ({"validation": 1.5}, "validation must be a fraction between 0 and 1, but got 1.5"),
        ({"augment": ("crop", "twist")}, "augment must be some of crop, flip, cutout, but got 'twist'"),
        ({"width": 0}, "width must be a positive integer, but got 0"),
        (
            {"patch": 4},
            "its options are: root, size, width, depth, validation, train_size, test_size, augment",
        ),
    ],
)
def test_a_wrong_option_is_one_clear_line(tree, tmp_path, options, message):
    root = tree(tmp_path / "data")
    with pytest.raises(ValueError, match=message):
        folder_task(root, **options)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "cifar10/resnet81",
            r"cifar10/ and one of mlp, .* torchvision.models \(did you mean 'cifar10/resnet8'\?\)",
        ),
        ("cifra10/resnet8", r"\(did you mean 'cifar10/resnet8'\?\)"),
        ("cifar10", "data/network such as cifar10/resnet18"),
    ],
)
def test_an_unknown_combination_is_one_clear_line(name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


def test_every_split_of_a_task_is_pickled_by_address(tree, tmp_path):
    task = folder_task(tree(tmp_path / "data"))
    assert all(isinstance(split.origin, partial) for split in task.splits.values())
    assert task.to("cpu").train is task.train
    assert task.mapped_bytes == 23 * (3 * 8 * 8 + 8)
