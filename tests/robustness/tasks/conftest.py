"""Tiny data sets in the formats of the real ones, and a cache of its own for each test."""

import gzip
import hashlib
import pickle
import struct

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "robustness"


@pytest.fixture
def tree(tmp_path):
    """Write train (12 and 6 images of two classes) and test (2 and 3); every image is of one colour of its own."""

    def write(root, size=(8, 8), mode="RGB"):
        colour = 0
        for part, counts in (("train", {"cat": 12, "dog": 6}), ("test", {"cat": 2, "dog": 3})):
            for name, count in counts.items():
                folder = root / part / name
                folder.mkdir(parents=True)
                for index in range(count):
                    colour += 1
                    shade = (colour, 2 * colour, 255 - colour) if mode == "RGB" else colour
                    Image.new(mode, size, shade).save(folder / f"{index:03}.png")
        return root

    return write


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Write CIFAR-10's files with 20 training and 5 test images, as their publisher's checksums would have them."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar" / CIFAR10.base_folder
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    listed = {"train_list": [], "test_list": []}
    for name, count in (("data_batch_1", 10), ("data_batch_2", 10), ("test_batch", 5)):
        entry = {
            "data": generator.integers(0, 256, (count, 3072), dtype=np.uint8),
            "labels": [index % 5 for index in range(count)],
        }
        (folder / name).write_bytes(pickle.dumps(entry))
        listed["test_list" if name == "test_batch" else "train_list"].append([name, md5(folder / name)])
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": ["a", "b", "c", "d", "e"]}))
    for name, files in listed.items():
        monkeypatch.setattr(CIFAR10, name, files)
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": md5(folder / "batches.meta")})
    return folder


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Write MNIST's four compressed IDX files with 20 and 10 images of 28 pixels, where a user would place them."""
    from torchvision.datasets import MNIST

    folder = tmp_path / "mnist" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    resources = []
    for name, count in (("train", 20), ("t10k", 10)):
        pixels = np.arange(count * 784, dtype=np.uint64).astype(np.uint8).tobytes()
        labels = bytes(index % 10 for index in range(count))
        for kind, content in (
            ("images-idx3", struct.pack(">HBBIII", 0, 8, 3, count, 28, 28) + pixels),
            ("labels-idx1", struct.pack(">HBBI", 0, 8, 1, count) + labels),
        ):
            path = folder / f"{name}-{kind}-ubyte.gz"
            path.write_bytes(gzip.compress(content, mtime=0))
            resources.append((path.name, md5(path)))
    monkeypatch.setattr(MNIST, "resources", resources)
    return folder


@pytest.fixture
def no_network(monkeypatch):
    """Let every connection fail at once, as it does without a network."""
    from urllib.error import URLError

    from torchvision.datasets import utils

    def refuse(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(utils.urllib.request, "urlopen", refuse)
