"""What a training function is given: its trial's optimizer, scale and schedule, and to whom it reports."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import torch

from robustness.tasks import TrainingFunction
from robustness.training.checkpoints import Checkpoint
from robustness.training.functions import saving
from robustness.training.functions.reported import ReportError, epoch_of, evaluations_of, lacking
from robustness.training.functions.stepping import Steps
from robustness.training.results import Record, TrialResult
from robustness.training.settings import TrialSettings


class TrialEnded(BaseException):
    """There is nothing more to train: the trial has diverged or failed.

    No ``Exception``, so that what a training function catches of its own errors does not catch it.
    """


class Run:
    """One trial of a training function.

    Args:
        task: What is trained.
        settings: How.
        device: ``cpu`` or ``cuda``.
        checkpoint: Where the trial is saved, and resumed from if it was saved before.
    """

    def __init__(
        self, task: TrainingFunction, settings: TrialSettings, device: str, checkpoint: Checkpoint | None
    ) -> None:
        self._metric, self._settings, self._device = task.metric, settings.completed(), device
        self._checkpoint, self._objects = checkpoint, {}  # type: ignore[var-annotated]
        self._record, self._steps = Record(), Steps(self._settings, self.refuse)
        self._evaluations: Mapping[str, Any] = {}
        self._last: int | None = None
        self._resumed = 0
        self._started, self._thread = time.perf_counter(), threading.get_ident()

    @property
    def seed(self) -> int:
        """The trial's seed. The default generators of torch, numpy and Python are seeded by it already."""
        return self._settings.seed

    @property
    def grad_scale(self) -> float:
        """What gradients are multiplied by, which ``scale_gradients`` does."""
        return self._settings.grad_scale

    @property
    def epochs(self) -> int:
        """The epochs to train; after the last of them ``val`` and ``test`` must be reported."""
        return self._settings.epochs

    @property
    def batch_size(self) -> int:
        """Examples per step."""
        return self._settings.batch_size

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return self._device

    @property
    def hyperparameters(self) -> Mapping[str, Any]:
        """The optimizer's, ``lr`` (the schedule's peak) and ``weight_decay`` among them."""
        return MappingProxyType(dict(self._settings.hyperparameters))

    def optimizer(self, trained: Any) -> torch.optim.Optimizer:
        """Build the trial's optimizer.

        Args:
            trained: A module, parameters, or groups of parameters, which may have ``weight_decay=0``. With
                ``training: {decay: matrices}`` it must be the module.

        Raises:
            ValueError: If there is nothing to train, or a group has what is the trial's to decide.
            TypeError: If it is something else.
        """
        self._go_on()
        return self._steps.build(trained)

    def scale_gradients(self) -> None:
        """Multiply the gradients by ``grad_scale``: once for each step, after the last backward, before clipping."""
        self._go_on()
        self._steps.scale()

    def schedule(self, optimizer: Any, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
        """Return the study's learning-rate schedule, to be stepped after each of so many steps of ``optimizer``."""
        self._go_on()
        return self._steps.scheduled(optimizer, steps)

    def checkpoint(self, **objects: Any) -> int:
        """Name what is to be saved with the trial, and go on from where it was saved before.

        Args:
            objects: By any names: what has ``state_dict`` and ``load_state_dict``, and ``torch.Generator``.

        Returns:
            How many epochs are done; 0 where nothing was saved, or the study asks for no checkpoints.
        """
        self._go_on()
        if why := saving.problem(objects):
            self.refuse(why)
        if self._objects:
            self.refuse("calls run.checkpoint twice: name all that is to be saved at once")
        if self._last:
            self.refuse(
                f"calls run.checkpoint after epoch {self._last} was reported: call it before the loop"
            )
        self._objects = objects
        saved = self._checkpoint.load() if self._checkpoint is not None else None
        if saved is None:
            return 0
        if set(saved["objects"]) != set(objects):
            names = ", ".join(saved["objects"])
            self.refuse(f"calls run.checkpoint with {', '.join(objects)}, and was saved with {names}")
        self._last = self._resumed = int(saved["epoch"])
        self._record = Record.restored(saved["record"])
        self._steps.before = saved["steps"]
        self._started -= saved["seconds"]
        saving.restore(objects, saved["objects"])
        return self._resumed

    def report(
        self, epoch: int, *, train: Any = None, val: Any = None, test: Any = None, **other: Any
    ) -> None:
        """Report an epoch.

        A training loss that is not finite (that of ``val`` where ``train`` is not reported), or parameters that are
        not, end the trial here: it has diverged.

        Args:
            epoch: From 1 on, each once and in order; 0 is the initialization, which may be left out.
            train: ``{"loss": …, "accuracy": …, "metric": …}``, numbers or tensors of one: the loss is required,
                the others where the study's metric needs them, accuracies as fractions.
            val: Likewise, what hyperparameters are selected on.
            test: Likewise, what is reported.
            **other: No other split is known.
        """
        self.take(epoch, {"train": train, "val": val, "test": test, **other})

    def take(self, epoch: Any, splits: Mapping[str, Any]) -> None:
        """Take what is reported of an epoch, as ``report`` has it, the splits by name."""
        self._go_on()
        try:
            number, evaluations = epoch_of(epoch, self.epochs), evaluations_of(splits, self._metric)
        except ReportError as error:
            self.refuse(str(error))
        if self._resumed and number == 0:
            return  # the initialization was reported before the trial was saved
        if self._last is not None and number <= self._last:
            hint = f" (run.checkpoint has returned {self._resumed})" if number <= self._resumed else ""
            self.refuse(f"reports epoch {number} after epoch {self._last}: each once, in order{hint}")
        self._steps.check_judged()
        self._last, self._evaluations = number, evaluations
        self._record.note(number, evaluations)
        judged = evaluations.get("train", evaluations.get("val"))
        if (judged is not None and not math.isfinite(judged.loss)) or not self._steps.finite():
            self._record.failed, self._record.stopped = None, self._steps.taken
        self._go_on()
        if self._checkpoint is not None and self._objects and self._checkpoint.due(number, self.epochs):
            self._save(self._checkpoint, number)

    def _save(self, checkpoint: Checkpoint, epoch: int) -> None:
        stepped = [one.optimizer for one in self._steps.each if one.steps]
        if left_out := saving.left_out(self._objects, stepped):
            self.refuse(
                f"calls run.checkpoint({', '.join(self._objects)}) without {left_out}: a trial that goes on from "
                "there would begin it anew"
            )
        kept = {
            "epoch": epoch,
            "seconds": time.perf_counter() - self._started,
            "record": self._record.saved(),
            "steps": self._steps.taken,
        }
        try:
            checkpoint.save({**kept, "objects": saving.states(self._objects)})
        except OSError:
            raise
        except Exception as error:  # the objects are the user's, and so are their states
            self.refuse(f"names for run.checkpoint what cannot be saved: {type(error).__name__}: {error}")

    def _go_on(self) -> None:
        """End the training if the trial has ended, or if it is another thread that trains."""
        if threading.get_ident() != self._thread:
            self.refuse("uses its run in another thread than its own")
        if self._record.ended:
            raise TrialEnded

    def refuse(self, reason: str) -> NoReturn:
        """End the trial as failed.

        Args:
            reason: What the training function does, to follow its name in a sentence.
        """
        if not self._record.ended:
            self._record.failed = f"the training function {reason}"
        raise TrialEnded

    @property
    def ended(self) -> bool:
        """Whether the trial has diverged or failed."""
        return self._record.ended

    def result(self, returned: Any = None) -> TrialResult:
        """Return the outcome, once the function has returned or was stopped."""
        if not self._record.ended and (why := self._unfinished(returned)):
            self._record.failed = f"the training function {why}"
        return self._record.result(time.perf_counter() - self._started)

    def _unfinished(self, returned: Any) -> str | None:
        """Return what is missing at the end; None where nothing is."""
        if self._last is None and returned is not None:
            return f"reports no epoch, and returned a {type(returned).__name__}: run.report(epoch, val=…, test=…)"
        if (why := self._steps.forgotten()) and not self._steps.each:
            return why
        if self._last is None:
            return "reports no epoch: run.report(epoch, val=…, test=…)"
        if self._last < self.epochs:
            return (
                f"reports epochs up to {self._last} of {self.epochs}: epoch 0 is the initialization, and the last "
                f"is {self.epochs}"
            )
        lacks = [lacking(self._evaluations.get(split), split, self._metric) for split in ("val", "test")]
        return next(filter(None, lacks), why)
