"""A study's trials: every cell of its grid at every seed, each with an identity of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from robustness.tasks import PLACES
from robustness.training import Schedule, Training, TrialSettings
from robustness.training.schedules.shapes import keys_of
from robustness.user_code.names import is_own
from studies.planning.known_task import Identified
from studies.spec.errors import SpecError
from studies.spec.functions.function import FunctionSpec
from studies.spec.study import StudySpec
from studies.spec.task import TaskSpec


@dataclass(frozen=True)
class Trial:
    """One training run of a study.

    Attributes:
        trial_id: Names the training run, wherever it is asked for: it depends on everything that decides the
            result, and on neither the study's name, nor the workload's, nor the label, nor the role.
        study: The study's name.
        workload: What the study calls its task with all that it is trained by; None where it gives no name.
        task: What is trained.
        label: The optimizer with its fixed variations, as figures show it.
        role: Why it is trained: ``grid``, ``confirm`` or ``search``.
        settings: What is trained, with every hyperparameter of the optimizer.
    """

    trial_id: str
    study: str
    workload: str | None
    task: TaskSpec | FunctionSpec
    label: str
    role: str
    settings: TrialSettings


class Cell(NamedTuple):
    """A trial without its seed and what all trials of a study share."""

    label: str
    optimizer: str
    hyperparameters: Mapping[str, Any]
    grad_scale: float


CELL_COLUMNS = ["label", "lr", "weight_decay", "grad_scale"]
"""What names a cell in the rows of one study."""


def in_study(rows: pd.DataFrame, spec: StudySpec) -> pd.DataFrame:
    """Return those of ``rows`` that lie on the grid of ``spec``, as far as their columns tell.

    For a folder that does not say which version of its task was trained, so that no trial's id is known.

    Args:
        rows: With the columns of ``studies.store.schema.ROW_SCHEMA``.
        spec: The study.
    """
    cells = planned_cells(spec)[CELL_COLUMNS].drop_duplicates()
    here = rows["seed"].isin(spec.seeds) & (rows["task"] == spec.task.name)
    here &= (rows["epochs"] == spec.budget.epochs) & (rows["batch_size"] == spec.budget.batch_size)
    here &= rows["setup"].fillna("") == (setup(spec.task, spec.training) or "")
    kept = rows[here].merge(cells, on=CELL_COLUMNS)
    return kept.assign(workload=pd.Series(spec.workload, index=kept.index, dtype="str"))


def setup(task: TaskSpec | FunctionSpec, training: Training) -> str | None:
    """Return the task's options and what of ``training`` is not a default, as rows and figures show it.

    Where data are stored is left out, as it is from a trial's identity.
    """
    places = PLACES if ":" not in task.name else ()
    given = {key: value for key, value in sorted(task.options.items()) if key not in places}
    given |= training.decisive()
    parts = [f"{key}={_shown(value)}" for key, value in given.items()]
    return ", ".join(parts) or None


def schedule_text(schedule: Schedule) -> str:
    """Return a schedule as rows show it, so that those of two schedules are told apart.

    It is the name with what is not a default; for ``constant``, ``cosine`` and ``linear`` the name alone, as in rows
    of earlier versions.
    """
    values = schedule.values()
    name = values.pop("name")
    if name in ("constant", "cosine", "linear"):
        return name
    defaults = {} if is_own(name) else keys_of(name)
    given = [f"{key}={_shown(value)}" for key, value in values.items() if value != defaults.get(key)]
    return f"{name}({', '.join(given)})" if given else name


def _shown(value: Any) -> str:
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


def planned_cells(spec: StudySpec) -> pd.DataFrame:
    """Return the columns ``label``, ``lr``, ``weight_decay`` and ``grad_scale`` of all cells of ``spec``."""
    any_steps = 1  # a trial's steps change hyperparameters, but never a cell's place in the grid
    records = [
        (cell.label, cell.hyperparameters["lr"], cell.hyperparameters["weight_decay"], cell.grad_scale)
        for cell in _cells(spec, any_steps)
    ]
    return pd.DataFrame(records, columns=CELL_COLUMNS).astype(dict.fromkeys(CELL_COLUMNS[1:], float))


def expand(spec: StudySpec, task: Identified) -> list[Trial]:
    """Return the trials of ``spec``.

    Replicates come one after the other: the seed varies slowest, then the optimizer in the order of the file,
    its variation, the gradient scale, the weight decay, and fastest the learning rate.

    Args:
        spec: The study.
        task: Its task; it knows a trial's number of steps.

    Raises:
        SpecError: If two of the study's optimizers mean the same training run.
    """
    labels: dict[str, str] = {}
    trials = trials_at(spec, task, grid_cells(spec, task), spec.seeds, "grid")
    for trial in trials:
        if trial.trial_id in labels:
            raise SpecError(
                f"optimizers: {labels[trial.trial_id]} and {trial.label}: are the same training runs (as at "
                f"lr {trial.settings.hyperparameters['lr']:g}); each may be in a study once"
            )
        labels[trial.trial_id] = trial.label
    return trials


def grid_cells(spec: StudySpec, task: Identified) -> list[Cell]:
    """Return the cells of the grid of ``spec``, in the order of ``expand``."""
    return list(_cells(spec, task.steps(spec.budget.epochs, spec.budget.batch_size)))


def trials_at(
    spec: StudySpec, task: Identified, cells: Sequence[Cell], seeds: Iterable[int], role: str
) -> list[Trial]:
    """Return the trials at ``cells``, one replicate after the other."""
    trials = []
    for seed in seeds:
        for cell in cells:
            settings = TrialSettings(
                optimizer=cell.optimizer,
                hyperparameters=cell.hyperparameters,
                grad_scale=cell.grad_scale,
                seed=seed,
                epochs=spec.budget.epochs,
                batch_size=spec.budget.batch_size,
                schedule=spec.schedule,
                training=spec.training,
                flatness=spec.flatness == "all",
                diagnostics=spec.diagnostics.epochs if spec.diagnostics else (),
                codes=spec.own.of(cell.optimizer, spec.schedule.name),
            )
            name = trial_id(task, settings)
            trials.append(Trial(name, spec.name, spec.workload, spec.task, cell.label, role, settings))
    return trials


def _cells(spec: StudySpec, total_steps: int | None) -> Iterator[Cell]:
    for key, entry in spec.optimizers.items():
        rates, decays = entry.rates(spec.grid), spec.decays(key)
        for variant in spec.variants(key):
            fixed = variant.hyperparameters(total_steps)
            for scale in spec.grid.grad_scale:
                for decay in decays:
                    for rate in rates:
                        values = {"lr": rate, "weight_decay": decay, **fixed}
                        yield Cell(variant.label, variant.optimizer, values, scale)


def trial_id(task: Identified, settings: TrialSettings) -> str:
    """Return the first 16 hexadecimal digits of SHA-256 over the canonical JSON of a training run.

    Canonical: sorted keys, no spaces, hyperparameters as floats. It holds the task's name, options and
    version, and all of ``settings``, with the code of a user's own optimizer and schedule.
    """
    content = {
        "task": task.name,
        "task_options": {
            key: _canonical(value) for key, value in task.options.items() if key not in task.places
        },
        "task_version": task.version,
        "optimizer": settings.optimizer,
        "hyperparameters": {key: _canonical(value) for key, value in settings.hyperparameters.items()},
        "grad_scale": float(settings.grad_scale),
        "seed": settings.seed,
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "schedule": {key: _canonical(value) for key, value in settings.schedule.values().items()},
    }
    if decisive := settings.training.decisive():  # left out at its defaults: older identities stay
        content["training"] = {key: _canonical(value) for key, value in decisive.items()}
    if settings.codes:
        content["codes"] = dict(settings.codes)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: Any) -> Any:
    """Write 1 as 1.0, so that equal numbers have one identity."""
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
