"""Checkpoints: a long run is saved every few epochs, so that a lost worker costs no more than these.

A file is whole or not there at all. One that cannot be read, or was written by another version of this package or of
torch, is ignored, and the run starts anew. What is restored, on the same machine, gives bit for bit what the
uninterrupted run gives.
"""

from __future__ import annotations

import os
import pickle
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robustness import __version__


@dataclass(frozen=True)
class Checkpoint:
    """A file in which a run is saved.

    It holds tensors, numbers and text; nothing else is unpickled from it (``torch.load(weights_only=True)``).

    Attributes:
        path: The file.
        every: Epochs between one save and the next.
    """

    path: Path
    every: int

    def due(self, epoch: int, epochs: int) -> bool:
        """Return whether to save after ``epoch`` of ``epochs``; after the last there is nothing left to train."""
        return epoch % self.every == 0 and epoch < epochs

    def save(self, state: dict[str, Any]) -> None:
        """Save ``state`` and the state of the random generators, whole or not at all."""
        content = {**state, "random": _generators(), "python": _python(), "versions": _versions()}
        temporary = self.path.with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self.path)

    def load(self) -> dict[str, Any] | None:
        """Return the saved state and restore the generators; None if there is none to resume from."""
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        if not isinstance(content, dict) or content.get("versions") != _versions():
            return None
        _restore(content["random"])
        _restore_python(content["python"])
        return content


def _versions() -> list[str]:
    return [__version__, str(torch.__version__)]


def _generators() -> list[torch.Tensor]:
    """Return the states of torch's default generators: of the CPU, and of each GPU in use."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *gpus]


def _python() -> list[Any]:
    """Return the states of Python's and numpy's default generators, as numbers and text."""
    state: Any = np.random.get_state()  # noqa: NPY002 (the default generator is meant)
    kind, keys, *rest = state
    return [random.getstate(), (kind, keys.tolist(), *rest)]


def _restore_python(states: list[Any]) -> None:
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002 (the default generator is meant)


def _restore(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state_all(states[1:])
