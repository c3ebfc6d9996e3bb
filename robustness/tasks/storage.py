"""Images decoded once: bytes in the user's cache folder, under a key made from the content of the original files.

Every process maps the same files into its memory, so a machine holds the images once, whatever the number of its
workers. A data set is the folder ``data/<key>`` in the cache, written under another name and then renamed, so it is
whole or not there. Files that are changed in the cache afterwards are not noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from robustness.tasks.splits.tensors import Split

# Part of every key: raise it when the same files would be stored in another way.
FORMAT = 2


@dataclass(frozen=True)
class Part:
    """The training or the test images of a data set, before they are stored.

    Attributes:
        targets: Class numbers ``[N]``.
        images: Yields the images in that order, each as bytes ``[C, H, W]``.
        shape: ``(C, H, W)``.
    """

    targets: np.ndarray
    images: Callable[[Sequence[int]], Iterator[np.ndarray]]
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Stored:
    """A data set in the cache.

    Attributes:
        key: Identifies its content.
        classes: Names of the classes, in the order of their numbers.
        rebuild: Makes it again where it is missing, such as on another machine.
    """

    key: str
    classes: tuple[str, ...]
    rebuild: Callable[[], Stored]

    def split(self, part: str, start: int, stop: int) -> Split:
        """Return the examples from ``start`` to ``stop`` of ``"train"`` or ``"test"``, mapped, never copied.

        Only the address of such a split is sent between processes.
        """
        inputs, targets = (
            _mapped(cache_home() / "data" / self.key / f"{part}_{name}.npy") for name in _NAMES
        )
        origin = partial(mapped_split, self.key, self.rebuild, part, start, stop)
        return Split(inputs[start:stop], targets[start:stop], origin)

    def count(self, part: str) -> int:
        """Return the number of examples of ``"train"`` or ``"test"``."""
        return len(_mapped(cache_home() / "data" / self.key / f"{part}_targets.npy"))


_NAMES = ("inputs", "targets")


def cache_home() -> Path:
    """Return the folder for all that can be made again: ``robustness`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "robustness"


def mapped_split(key: str, rebuild: Callable[[], Stored], part: str, start: int, stop: int) -> Split:
    """Return a split by its address; a data set that is missing on this machine is made first.

    Raises:
        ValueError: If the data set made here does not have ``key``.
    """
    if (cache_home() / "data" / key).is_dir():
        return Stored(key, (), rebuild).split(part, start, stop)
    rebuilt = rebuild()
    if rebuilt.key != key:
        raise ValueError(
            f"this machine's copy of the data is another than the study's (content {rebuilt.key}, not {key}): "
            "copy the same files to the same place"
        )
    return rebuilt.split(part, start, stop)


def stored(key: str, parts: Callable[[], tuple[tuple[str, ...], Part, Part]]) -> tuple[str, ...]:
    """Decode a data set into the cache unless it is there; return the names of its classes.

    Args:
        key: Identifies its content.
        parts: Returns class names, training images and test images; called only if they are not there yet.
    """
    folder = cache_home() / "data" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):  # workers that start together decode once
        if not folder.is_dir():
            writing = folder.with_suffix(f".{os.getpid()}")
            try:
                _write(writing, *parts())
                writing.rename(folder)
            finally:
                shutil.rmtree(writing, ignore_errors=True)
    return tuple(json.loads((folder / "classes.json").read_text()))


def _write(folder: Path, classes: tuple[str, ...], train: Part, test: Part) -> None:
    folder.mkdir(exist_ok=True)
    for name, part in (("train", train), ("test", test)):
        order, shape = stratified_order(part.targets), (len(part.targets), *part.shape)
        np.save(folder / f"{name}_targets.npy", np.asarray(part.targets, dtype=np.int64)[order])
        kept = np.lib.format.open_memmap(folder / f"{name}_inputs.npy", "w+", np.uint8, shape)
        for row, image in enumerate(part.images(order.tolist())):
            kept[row] = image
        kept.flush()
    (folder / "classes.json").write_text(json.dumps(classes))


def stratified_order(targets: np.ndarray) -> np.ndarray:
    """Return a fixed random order in which every contiguous range has the classes in their proportions.

    Examples are sorted by ``(r + 1/2) / n``, where an example is number ``r`` of the ``n`` in its class. So both a
    training set of any size and the rest for validation are stratified, to within one example of each class, and
    are contiguous ranges of one file.
    """
    generator = np.random.default_rng(0)
    position = np.empty(len(targets))
    for number in np.unique(targets):
        members = generator.permutation(np.flatnonzero(targets == number))
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    return np.lexsort((targets, position))


def _mapped(path: Path) -> Tensor:
    # a private mapping: shared with other processes as long as nobody writes, which nobody does
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def content_key(files: Sequence[Path], root: Path, *how: object) -> str:
    """Return a digest, of 16 hexadecimal digits, of the content of ``files`` and of ``how`` it is decoded.

    It depends on the names below ``root`` and on the bytes, not on the path of ``root``. Bytes are read once: as long
    as no file's size and times change, the known digest is returned.
    """
    names = [path.relative_to(root).as_posix() for path in files]
    states = [(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for stat in map(os.stat, files)]
    seen = _digest(str(root.resolve()), names, states)
    note = cache_home() / "contents" / seen
    try:
        content = note.read_text()
    except OSError:
        content = _digest([(name, _file_digest(path)) for name, path in zip(names, files, strict=True)])
        note.parent.mkdir(parents=True, exist_ok=True)
        writing = note.with_suffix(f".{os.getpid()}")
        writing.write_text(content)
        writing.replace(note)
    return _digest(content, how, FORMAT)[:16]


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(*content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
