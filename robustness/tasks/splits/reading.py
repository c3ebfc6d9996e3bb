"""Batches of a map-style dataset, read in this process or by the workers of a DataLoader.

Each batch has random draws of its own, so that it is the same whoever reads it, and whatever was read before.
"""

from __future__ import annotations

import hashlib
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from robustness.tasks.splits.examples import Batch, tensors_of
from robustness.tasks.splits.generators import seeded
from robustness.user_code.errors import place_of

DIED = "a worker process of the DataLoader died while it read the dataset (os._exit, a crash, or no memory)"


class DataError(ValueError):
    """A dataset did not give a batch; the message says in one line what it gave instead."""


@dataclass(frozen=True)
class Batches(Dataset[Any]):
    """A dataset whose items are the batches of another one.

    Attributes:
        dataset: Gives examples by their numbers.
        collate: Makes a batch of a list of examples; None: as torch does.
        rows: The numbers of the examples of each batch.
        draws: Seeds what is drawn at random.
    """

    dataset: Any
    collate: Callable[[list[Any]], Any] | None
    rows: Sequence[Sequence[int]]
    draws: int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Batch | DataError:
        digest = hashlib.sha256(f"{self.draws}\n{number}".encode()).digest()
        # as in training wherever it is read: what a dataset keeps of an evaluation may be trained on later
        usual = (torch.inference_mode(False), torch.autocast("cpu", enabled=False))
        with seeded(int.from_bytes(digest[:7], "big")), usual[0], usual[1]:
            try:
                return self._batch(self.rows[number])
            except DataError as error:  # not raised here: a DataLoader would wrap it in a traceback
                return error

    def _batch(self, rows: Sequence[int]) -> Batch:
        items = self._items(rows)
        try:
            batch = (self.collate or default_collate)(items)
        except Exception as error:  # a dataset's own code may raise anything
            held = ", ".join(map(str, rows[:3])) + (", …" if len(rows) > 3 else "")
            hint = "" if self.collate else "; examples of more than one shape need collate="
            raise DataError(f"examples {held} do not make a batch: {_told(error)}{hint}") from error
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            raise DataError(f"a batch must be a pair (inputs, targets), but is {_kind(batch)}")
        inputs, targets = batch
        if not isinstance(targets, Tensor) or targets.shape[:1] != (len(rows),):
            shown = f"have the shape {list(targets.shape)}" if isinstance(targets, Tensor) else _kind(targets)
            raise DataError(
                f"the targets of {len(rows)} examples must be a tensor [{len(rows)}, ...], but {shown}"
            )
        if not tensors_of(inputs):
            raise DataError(
                f"inputs must be a tensor, or a dictionary, tuple or list of them, but are {_kind(inputs)}"
            )
        return inputs, targets

    def _items(self, rows: Sequence[int]) -> list[Any]:
        many = getattr(self.dataset, "__getitems__", None)
        if callable(many):  # reads several at once, as a DataLoader lets it
            with suppress(Exception):  # one by one it is known which example it is
                return many(list(rows))
        items = []
        for row in rows:
            try:
                items.append(self.dataset[row])
            except Exception as error:
                raise DataError(f"example {row} of the dataset: {_told(error)}") from error
        return items


def read(batches: Batches, workers: int) -> Iterator[Batch]:
    """Yield the batches in order.

    Args:
        batches: What is read.
        workers: How many processes read at the same time; 0: this one does.

    Raises:
        DataError: If the dataset does not give a batch, or a worker is gone.
    """
    count = len(batches)
    for batch in (
        _by_workers(batches, min(workers, count)) if workers else map(batches.__getitem__, range(count))
    ):
        if isinstance(batch, DataError):
            raise batch
        yield batch


def _by_workers(batches: Batches, workers: int) -> Iterator[Batch | DataError]:
    loader = DataLoader(
        batches,
        batch_size=None,
        num_workers=workers,
        collate_fn=_unchanged,
        multiprocessing_context="fork",  # the dataset need not be pickled, and memory that is only read is shared
        generator=torch.Generator(),  # else the loader draws from the default one
    )
    try:
        with warnings.catch_warnings():
            # a worker computes with torch on one thread, and takes no lock that another thread may hold
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            iterator = iter(loader)
        yield from iterator
    except (RuntimeError, EOFError, OSError) as error:
        if not worker_died(error):
            raise
        raise DataError(DIED) from error


def worker_died(error: BaseException) -> bool:
    """Return whether an error says that a worker process of a DataLoader has died, and not what a dataset raised.

    One that dies after it has put a batch into the queue leaves its reader the end of a file or of a connection.
    """
    if isinstance(error, RuntimeError):
        return str(error).startswith("DataLoader worker (pid")
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    received = "torch.utils.data.dataloader" in names and names[-1].startswith("multiprocessing.")
    return received and isinstance(error, EOFError | ConnectionError | FileNotFoundError)


def _unchanged(batch: Any) -> Any:
    return batch


def _told(error: Exception) -> str:
    """Return an error in one line, with the place that it comes from."""
    return f"{type(error).__name__}: {' '.join(str(error).split())} ({place_of(error)})"


def _kind(value: Any) -> str:
    return (
        f"a {type(value).__name__} of {len(value)}"
        if isinstance(value, tuple | list)
        else f"a {type(value).__name__}"
    )
