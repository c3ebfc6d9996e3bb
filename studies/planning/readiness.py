"""Whether a study's task and optimizers can train together, asked of the task's own model before anything runs."""

from __future__ import annotations

from collections.abc import Sequence

from robustness.tasks import BaseTask, Task
from robustness.training import OptimizerUnfitError, TaskUnfitError, TrialSettings, preflight_once
from studies.planning.trials import Trial
from studies.spec.errors import SpecError
from studies.spec.problems import one_line
from studies.spec.study import StudySpec


def check_ready(spec: StudySpec, task: BaseTask, trials: Sequence[Trial], device: str) -> None:
    """Take one step of the task's model with each optimizer of ``trials``; a training function is not called.

    What has passed on this machine is not asked again.

    Raises:
        SpecError: If no trial, or none of an optimizer, could give a right number; one line says why.
    """
    if not isinstance(task, Task):
        return
    first: dict[str, TrialSettings] = {}
    for trial in trials:
        first.setdefault(trial.label, trial.settings)
    try:
        preflight_once(task, first, device)
    except TaskUnfitError as error:
        raise SpecError(one_line(f"{spec.source}: task: {task.name!r}: {error}")) from error
    except OptimizerUnfitError as error:
        place = f"{spec.source}: optimizers: {error.label}"
        raise SpecError(one_line(f"{place}: cannot train the model of {task.name}: {error}")) from error
