"""Public sets of small images through torchvision: CIFAR-10 and -100, MNIST, Fashion-MNIST, SVHN."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from robustness.tasks.storage import Part, Stored, cache_home, content_key, stored


class _File(NamedTuple):
    """A file as its publisher describes it: where it belongs, and its MD5 where that is published."""

    path: Path
    md5: str | None


class _Files(NamedTuple):
    """The files that a data set is read from, and those it is unpacked from; either are enough."""

    read: list[_File]
    placed: list[_File]


def _cifar_files(kind: Any, root: Path) -> _Files:
    unpacked = [_File(root / kind.base_folder / name, md5) for name, md5 in kind.train_list + kind.test_list]
    unpacked.append(_File(root / kind.base_folder / kind.meta["filename"], kind.meta["md5"]))
    return _Files(unpacked, [_File(root / kind.filename, kind.tgz_md5)])


def _mnist_files(kind: Any, root: Path) -> _Files:
    raw = root / kind.__name__ / "raw"
    placed = [_File(raw / name, md5) for name, md5 in kind.resources]
    return _Files([_File(file.path.with_suffix(""), None) for file in placed], placed)


def _svhn_files(kind: Any, root: Path) -> _Files:
    files = [_File(root / name, md5) for _, name, md5 in (kind.split_list["train"], kind.split_list["test"])]
    return _Files(files, files)


def _halves(kind: Any, root: Path, **options: Any) -> tuple[Any, Any]:
    return tuple(kind(root, train=train, **options) for train in (True, False))


def _svhn_halves(kind: Any, root: Path, **options: Any) -> tuple[Any, Any]:
    return tuple(kind(root, split=split, **options) for split in ("train", "test"))


class _Source(NamedTuple):
    """How torchvision's class ``kind`` is read."""

    kind: str
    files: Callable[[Any, Path], _Files]
    halves: Callable[..., tuple[Any, Any]]


_SOURCES = {
    "cifar10": _Source("CIFAR10", _cifar_files, _halves),
    "cifar100": _Source("CIFAR100", _cifar_files, _halves),
    "fashion-mnist": _Source("FashionMNIST", _mnist_files, _halves),
    "mnist": _Source("MNIST", _mnist_files, _halves),
    "svhn": _Source("SVHN", _svhn_files, _svhn_halves),
}


def downloaded(name: str, root: str | None = None) -> Stored:
    """Return the data set ``name``, one of ``_SOURCES``, downloaded unless its files are there.

    Args:
        name: Such as ``"cifar10"``.
        root: The folder with its files; by default ``datasets/<name>`` in the cache folder.

    Raises:
        ValueError: If a file is not the one that was published, or is missing and cannot be downloaded.
    """
    from torchvision import datasets

    source = _SOURCES[name]
    kind = getattr(datasets, source.kind)
    folder = Path(root).expanduser().resolve() if root is not None else cache_home() / "datasets" / name
    files = source.files(kind, folder)
    if not all(file.path.exists() for file in files.read):
        _download(source, kind, folder, files)
    _check(source.kind, files.read)
    key = content_key([file.path for file in files.read], folder, name)

    def parts() -> tuple[tuple[str, ...], Part, Part]:
        train, test = source.halves(kind, folder)
        classes = getattr(train, "classes", None) or sorted(set(map(int, train.labels)))
        return tuple(map(str, classes)), _part(train), _part(test)

    return Stored(key, stored(key, parts), partial(downloaded, name, root))


def _download(source: _Source, kind: Any, folder: Path, files: _Files) -> None:
    """Download the files, or unpack those that are there.

    Raises:
        ValueError: If a file is damaged or cannot be downloaded; the message says which file to place where.
    """
    _check(source.kind, [file for file in files.placed if file.path.exists()])
    folder.mkdir(parents=True, exist_ok=True)
    try:
        source.halves(kind, folder, download=True)
    except (OSError, RuntimeError) as error:
        _check(source.kind, [file for file in files.placed + files.read if file.path.exists()])
        wanted = ", ".join(f"{file.path.name} (MD5 {file.md5})" for file in files.placed)
        raise ValueError(
            f"{source.kind} is not in {folder} and cannot be downloaded ({str(error).splitlines()[0]}); without a "
            f"network, place {wanted} in {files.placed[0].path.parent}"
        ) from error


def _check(name: str, files: Sequence[_File]) -> None:
    """Raise ValueError for the first of ``files`` whose checksum is not the published one."""
    for file in files:
        if file.md5 is None:
            continue
        with file.path.open("rb") as content:
            actual = hashlib.file_digest(content, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
        if actual != file.md5:
            raise ValueError(
                f"{name}: checksum mismatch: {file.path} has MD5 {actual}, not {file.md5}: remove it, so that it is "
                "downloaded again, or place a sound copy"
            )


def _part(half: Any) -> Part:
    """Return the images of a torchvision data set, as bytes with channels first, and their classes."""
    data = np.asarray(half.data)
    if data.ndim == 3:
        data = data[:, None]
    elif data.shape[1] != 3:
        data = data.transpose(0, 3, 1, 2)
    targets = np.asarray(half.targets if hasattr(half, "targets") else half.labels)

    def images(order: Sequence[int]) -> Iterator[np.ndarray]:
        return (data[index] for index in order)

    return Part(targets, images, data.shape[1:])
