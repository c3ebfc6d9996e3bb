"""Driving a training function through one trial: called or iterated, stopped where the trial ends, judged."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import torch

from robustness.tasks import TrainingFunction
from robustness.training.checkpoints import Checkpoint
from robustness.training.functions.run import Run, TrialEnded
from robustness.training.process import one_thread
from robustness.training.randomness import own_draws
from robustness.training.results import TrialResult
from robustness.training.settings import TrialSettings
from robustness.user_code.errors import place_of


def train_function(
    task: TrainingFunction,
    settings: TrialSettings,
    *,
    device: str = "cpu",
    checkpoint: Checkpoint | None = None,
) -> TrialResult:
    """Let a training function train one trial, to its end or to the report in which it diverges.

    Args:
        task: The function.
        settings: What it is given.
        device: ``cpu`` or ``cuda``.
        checkpoint: Where the trial is saved, and resumed from if it was saved before.

    Raises:
        Exception: Whatever the function raises.
    """
    with one_thread(), own_draws(task, settings.seed, device), _modes_kept():
        run = Run(task, settings, device, checkpoint)
        returned = None
        try:
            returned = task.function(run, **task.options)
            if isinstance(returned, Iterator):
                _drain(run, returned)
                returned = None
        except TrialEnded:
            pass
        except SystemExit as error:  # of a script that was wrapped in a function: it must not end the worker
            if not run.ended:
                return TrialResult("failed", reason=f"SystemExit: {error} ({place_of(error)})")
        except Exception:
            if not run.ended:  # what is raised after its end is of no account
                raise
        return run.result(returned)


def _drain(run: Run, items: Iterator[Any]) -> None:
    """Report what a generator yields."""
    try:
        for item in items:
            pair = isinstance(item, tuple | list) and len(item) == 2
            if not pair or not isinstance(item[1], Mapping):
                run.refuse(
                    f'yields {reprlib.repr(item)}: must be epoch, {{"val": {{"loss": …}}, "test": {{"loss": …}}}}'
                )
            run.take(*item)
    finally:
        close = getattr(items, "close", None)
        if run.ended and close is not None:
            with suppress(Exception, TrialEnded):  # what it does at its end is of no account
                close()


@contextmanager
def _modes_kept() -> Iterator[None]:
    """Restore what a function may set for the whole process and the next trial would begin with."""
    dtype, gradients = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
