"""A long run saved every few epochs, so that a lost worker costs no more than these."""

from __future__ import annotations

import os
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from robustness import __version__


@dataclass(frozen=True)
class Checkpoint:
    """A file that what is being trained is saved in.

    A run that goes on from it gives, on the same machine, bit for bit what it would have given undisturbed. It holds
    tensors, numbers and text; nothing in it is unpickled but these (``torch.load(weights_only=True)``).

    Attributes:
        path: The file.
        every: Epochs from one saving to the next.
    """

    path: Path
    every: int

    def due(self, epoch: int, epochs: int) -> bool:
        """Return whether to save after ``epoch`` of ``epochs``; the last is not worth it."""
        return epoch % self.every == 0 and epoch < epochs

    def save(self, state: dict[str, Any]) -> None:
        """Save ``state`` and the state of the random generators, whole or not at all."""
        content = {**state, "random": _generators(), "versions": _versions()}
        temporary = self.path.with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as stream:
            torch.save(content, stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self.path)

    def load(self) -> dict[str, Any] | None:
        """Return the saved state and restore the generators; None if there is none to go on from."""
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError):
            return None
        if not isinstance(content, dict) or content.get("versions") != _versions():
            return None
        _restore(content["random"])
        return content


def _versions() -> list[str]:
    return [__version__, str(torch.__version__)]


def _generators() -> list[torch.Tensor]:
    """Return the states of torch's default generators: of the CPU, and of each GPU in use."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return [torch.get_rng_state(), *gpus]


def _restore(states: list[torch.Tensor]) -> None:
    torch.set_rng_state(states[0])
    if len(states) > 1:
        torch.cuda.set_rng_state_all(states[1:])
