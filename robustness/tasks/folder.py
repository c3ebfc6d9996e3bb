"""A user's own images: image files in ``root/train/<class>/`` and ``root/test/<class>/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from robustness.tasks.storage import Part, Stored, content_key, stored

EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


def image_folder(root: str, size: int | None = None) -> Stored:
    """Return the images below ``root``, decoded to RGB.

    Args:
        root: The folder that holds ``train`` and ``test``.
        size: Height and width of the result: images are cropped to a centred square and resized; by default
            they must all be squares of one size and stay as they are.

    Raises:
        ValueError: If folders are missing or empty, a test class has no training images, an image cannot be
            read, or sizes differ.
    """
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
        raise ValueError(f"size must be a positive number of pixels, but got {size!r}")
    folder = Path(root).expanduser().resolve()
    train, test = (_class_files(folder, name) for name in ("train", "test"))
    classes = tuple(train)
    unknown = [name for name in test if name not in train]
    if unknown:
        raise ValueError(
            f"{folder}: test has classes that train lacks: {', '.join(unknown[:5])}; "
            f"train has {', '.join(classes[:20])}"
        )
    files = [path for part in (train, test) for paths in part.values() for path in paths]
    key = content_key(files, folder, "image-folder", size)

    def parts() -> tuple[tuple[str, ...], Part, Part]:
        side = _side(files[0]) if size is None else size
        resize = size is not None
        return classes, _part(train, classes, side, resize), _part(test, classes, side, resize)

    return Stored(key, stored(key, parts), partial(image_folder, str(folder), size))


def _class_files(root: Path, part: str) -> dict[str, list[Path]]:
    """Return the image files of each class, classes and files sorted by name."""
    wanted = f"{root} must hold train/<class>/ and test/<class>/ with images"
    folder = root / part
    if not folder.is_dir():
        raise ValueError(f"{wanted}, but there is no folder {folder}")
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        raise ValueError(f"{wanted}, but {folder} holds no folder of a class")
    files = {
        entry.name: sorted(path for path in entry.rglob("*") if path.suffix.lower() in EXTENSIONS)
        for entry in classes
    }
    for name, paths in files.items():
        if not paths:
            raise ValueError(
                f"{wanted}, but {folder / name} holds no image file ({', '.join(EXTENSIONS)} are read)"
            )
    return files


def _part(files: dict[str, list[Path]], classes: Sequence[str], side: int, resize: bool) -> Part:
    paths = [path for group in files.values() for path in group]
    targets = np.array([classes.index(name) for name, group in files.items() for _ in group])

    def images(order: Sequence[int]) -> Iterator[np.ndarray]:
        return (_decoded(paths[index], side, resize) for index in order)

    return Part(targets, images, (3, side, side))


def _decoded(path: Path, side: int, resize: bool) -> np.ndarray:
    """Return the RGB bytes ``[3, side, side]`` of an image file."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except Exception as error:  # a damaged file makes a decoder raise almost anything
        raise ValueError(f"{path}: cannot be read as an image: {error}") from error
    if resize:
        image = ImageOps.fit(image, (side, side), Image.Resampling.BILINEAR)
    elif image.size != (side, side):
        width, height = image.size
        raise ValueError(f"{path}: is {width} x {height} and others are {side} x {side}: give size")
    return np.asarray(image).transpose(2, 0, 1)


def _side(path: Path) -> int:
    from PIL import Image

    try:
        with Image.open(path) as file:
            width, height = file.size
    except Exception as error:  # as above
        raise ValueError(f"{path}: cannot be read as an image: {error}") from error
    if width != height:
        raise ValueError(f"{path}: is {width} x {height}, no square: give size")
    return width
