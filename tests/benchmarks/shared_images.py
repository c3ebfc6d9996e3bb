"""Memory that 50,000 images of CIFAR-10's size take on one machine, by the number of worker processes.

    python tests/benchmarks/shared_images.py

Every process opens the training split as a worker does, from its pickled address, and reads all of it. The table has
the proportional set size of the file of images (PSS: each page divided by the number of processes that share it),
summed over processes, and what private copies would take.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import torch

from robustness.tasks.storage import Part, Stored, stored

IMAGES = 50_000
KEY = "benchmark"


def noise(count: int) -> Part:
    """Return random images of ten classes."""
    generator = np.random.default_rng(0)

    def images(order: Sequence[int]) -> Iterator[np.ndarray]:
        return (generator.integers(0, 256, (3, 32, 32), dtype=np.uint8) for _ in order)

    return Part(np.arange(count) % 10, images, (3, 32, 32))


def dataset() -> Stored:
    """Return the images, stored."""
    return Stored(KEY, stored(KEY, lambda: (tuple("0123456789"), noise(IMAGES), noise(10))), dataset)


def mapped_pss(name: str) -> int:
    """Return this process's PSS, in bytes, of the mappings of the file ``name``."""
    held, inside = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.partition(" ")[0]:
            inside = line.endswith(name)
        elif inside and line.startswith("Pss:"):
            held += int(line.split()[1]) * 1024
    return held


def worker(sent: bytes, end: Connection) -> None:
    """Open the split and read it; once all processes have, report the PSS."""
    split = pickle.loads(sent)
    end.send(sum(int(part.to(torch.int64).sum()) for part in split.inputs.split(1000)))
    end.recv()
    end.send(mapped_pss("train_inputs.npy"))
    end.recv()


def measure(count: int, sent: bytes) -> int:
    """Return the sum of the PSS of ``count`` processes."""
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(count)]
    workers = [context.Process(target=worker, args=(sent, end)) for _, end in pipes]
    for process in workers:
        process.start()
    totals = {end.recv() for end, _ in pipes}
    for end, _ in pipes:
        end.send(None)
    held = sum(end.recv() for end, _ in pipes)
    for end, _ in pipes:
        end.send(None)
    for process in workers:
        process.join()
    assert len(totals) == 1
    return held


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as cache:
        os.environ["XDG_CACHE_HOME"] = cache
        sent = pickle.dumps(dataset().split("train", 0, IMAGES))
        print(
            f"{IMAGES} images of 3 x 32 x 32 bytes: {IMAGES * 3072 / 1e6:.1f} MB; address {len(sent)} bytes"
        )
        for count in (1, 2, 4, 8):
            held = measure(count, sent)
            copies = count * IMAGES * 3072 * 4
            print(f"{count} processes: {held / 1e6:.1f} MB in all; as float copies {copies / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
