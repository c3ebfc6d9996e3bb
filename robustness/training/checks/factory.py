"""Whether ``task.model`` makes a new model at each call, from torch's generator alone."""

from __future__ import annotations

import traceback
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from robustness.tasks import Task
from robustness.training.randomness import initialized_model

_NOT_THE_USERS = (Path(torch.__file__).parent, Path(__file__).parents[2])


class TaskUnfitError(ValueError):
    """No trial of the task could give a right number; the message says why."""


def told(error: BaseException) -> str:
    """Return an error in one line: its kind and text, and the line of the user's file that it comes from."""
    if isinstance(error, ValueError) and not error.__cause__ and not _users_line(error):
        return _one_line(str(error))
    where = _users_line(error)
    return f"{type(error).__name__}: {_one_line(str(error))}" + (f" ({where})" if where else "")


def check_factory(task: Task) -> None:
    """Check that two calls with the same seed make new and equal models, which are ready to train.

    Raises:
        TaskUnfitError: If they do not; the message says what ``task.model`` does.
    """
    try:
        first, second = initialized_model(task, 0), initialized_model(task, 0)
    except Exception as error:
        raise TaskUnfitError(f"model(): {told(error)}") from error
    for name, module in first.named_modules():
        if any(is_lazy(tensor) for tensor in _own(module)):
            raise TaskUnfitError(
                f"model() returns a lazy module ({name or 'the model'}: {type(module).__name__}), whose parameters "
                "have no shape yet; give all sizes, or call the model once on an example before returning it"
            )
    if first is second:
        raise TaskUnfitError(
            "model() returns the same object at every call; it must make a new model each time"
        )
    one, other = _tensors(first), _tensors(second)
    shared = {tensor.data_ptr() for tensor in one.values() if tensor.numel()}
    for name, tensor in other.items():
        if tensor.numel() and tensor.data_ptr() in shared:
            raise TaskUnfitError(
                f"model() returns models that share {name}; it must make a new model each time"
            )
    for name in {**one, **other}:
        if name not in one or name not in other or one[name].shape != other[name].shape:
            raise TaskUnfitError(f"model() gives models of different shapes at the same seed ({name})")
        if not same_numbers(one[name], other[name]):
            raise TaskUnfitError(
                f"model() gives other numbers at the same seed ({name}): it must draw from torch's default generator "
                "alone, not from numpy, random or a generator of its own"
            )


def same_numbers(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are equal, what is no number included."""
    return torch.equal(one.nan_to_num(), other.nan_to_num())


def _own(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _tensors(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _users_line(error: BaseException) -> str:
    """Return ``file, line n`` of the innermost frame that is neither torch's nor this package's; empty if none is."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        installed = "site-packages" in path.parts or frame.filename.startswith("<")
        if not installed and not any(path.is_relative_to(folder) for folder in _NOT_THE_USERS):
            return f"{path.name}, line {frame.lineno}"
    return ""
