"""A study's stages: its grid, extensions of it until the best cells lie inside, fresh seeds at the best cells.

Every stage after the first follows from the study and the rows of the stages before it, and from nothing else. So a
study that was killed goes on with exactly the trials that it would have had, and a reader can tell which they are
without a stored list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import pandas as pd

from analysis import errors, selected_cells
from analysis.judgement.grids import chosen_rates
from analysis.summaries.report_tables import tasks_without_accuracy
from analysis.trials import at_scale_one, significant, with_significant
from analysis.workloads import by_workload
from studies.planning.extension import Reach, decades_text, extension_notes, fresh_seeds
from studies.planning.known_task import Identified
from studies.planning.trials import Cell, Trial, expand, grid_cells, trials_at
from studies.spec.study import StudySpec


@dataclass(frozen=True)
class Stage:
    """Trials that are known at the same time.

    Attributes:
        name: ``grid``, ``extension 1``, …, ``confirmation``.
        trials: What is trained.
        notes: Why these trials are added, a line each.
    """

    name: str
    trials: tuple[Trial, ...]
    notes: tuple[str, ...] = ()


def stages(
    spec: StudySpec,
    task: Identified,
    read: Callable[[], pd.DataFrame],
    grid: Sequence[Trial] | None = None,
) -> Iterator[Stage]:
    """Yield the stages of ``spec``, each when those before it are complete; stop where one is not.

    - The grid.
    - With ``extend``, as often as needed: for every label whose best cell, over all seeds or without one of them,
      has too few learning rates beyond it on a side (``analysis.judgement.grids.shortfalls``), those that are missing
      there, at all weight decays, gradient scales and seeds. Labels are extended one by one: S is taken within 1.5
      decades of each label's own best, so the rates that one lacks do not matter to another.
    - With ``confirm: N``, N fresh seeds at each label's best cell.

    Args:
        spec: The study.
        task: Its task.
        read: Returns the stored rows; called between stages.
        grid: The trials of the first stage, where they are known already.
    """
    planned = list(grid if grid is not None else expand(spec, task))
    yield Stage("grid", tuple(planned))
    if not (spec.extend or spec.confirm):
        return
    cells = grid_cells(spec, task)
    reaches = _reaches(spec)
    for number in count(1):
        stored = _complete(read(), planned)
        if stored is None:
            return
        new, notes = _extension(cells, reaches, stored, spec)
        if not notes:
            break
        trials = trials_at(spec, task, new, spec.seeds, "grid")
        cells, planned = cells + new, planned + trials
        yield Stage(f"extension {number}", tuple(trials), tuple(notes))
    stored = _complete(read(), planned)
    if spec.confirm and stored is not None:
        yield _confirmation(spec, task, cells, stored)


def stages_of(spec: StudySpec, task: Identified, rows: pd.DataFrame) -> Iterator[Stage]:
    """Yield the stages that stored rows tell of.

    These are those of ``stages``. Where an extension of the grid is still to be trained, as in a study whose grid was
    wide enough by an older rule, the fresh seeds that are stored at the best cells so far are not hidden.

    Args:
        spec: The study.
        task: Its task.
        rows: The stored rows.
    """
    known = list(stages(spec, task, lambda: rows))
    yield from known
    if spec.confirm and known[-1].name.startswith("extension"):
        trials = [trial for stage in known for trial in stage.trials]
        one_each = (trial for trial in trials if trial.settings.seed == spec.seeds[0])
        cells = [
            Cell(
                trial.label,
                trial.settings.optimizer,
                trial.settings.hyperparameters,
                trial.settings.grad_scale,
            )
            for trial in one_each
        ]
        fresh = _confirmation(spec, task, cells, rows_of(trials, rows))
        stored = tuple(trial for trial in fresh.trials if trial.trial_id in set(rows["trial_id"]))
        if stored:
            yield replace(fresh, trials=stored)


def after_the_grid(spec: StudySpec) -> dict[str, str]:
    """Describe what follows the grid, by the key of the study file that asks for it.

    Which cells that will be, only the rows of the grid can tell.
    """
    later = {}
    if spec.extend:
        bound = decades_text(spec.extend.decades)
        later["extend"] = f"chosen after the grid: learning rates beyond an edge, up to {bound} a side"
    if spec.confirm:
        number = spec.count_confirm()
        later["confirm"] = (
            f"{number} trials, chosen after the grid: {spec.confirm} fresh seeds at each best cell"
        )
    return later


def rows_of(trials: Sequence[Trial], rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of ``trials``, and of no other ones: what a study no longer asks for is hidden, never deleted.

    Study, workload, label and role are those of ``trials``, whatever a row says: the same training run may have been
    stored under another label, or as the confirmation of a cell whose seed has since joined the grid.

    Args:
        trials: The planned trials.
        rows: Stored rows, one per trial, with the columns of ``studies.store.schema.ROW_SCHEMA``.

    Returns:
        The rows of those ``trials`` that are stored, with the same columns, sorted by task, label, role, gradient
        scale, weight decay, learning rate and seed.
    """
    names = ["study", "workload", "label", "role"]
    named = [(trial.trial_id, *(getattr(trial, name) for name in names)) for trial in trials]
    planned = pd.DataFrame(named, columns=["trial_id", *names], dtype="str")
    kept = rows.drop(columns=names).merge(planned, on="trial_id")
    order = ["task", "label", "role", "grad_scale", "weight_decay", "lr", "seed", "trial_id"]
    return kept[list(rows.columns)].sort_values(order, ignore_index=True)


def _reaches(spec: StudySpec) -> dict[str, Reach]:
    if spec.extend is None:
        return {}
    return {
        variant.label: Reach(entry, spec.grid, spec.extend.decades)
        for key, entry in spec.optimizers.items()
        for variant in spec.variants(key)
    }


def _complete(rows: pd.DataFrame, planned: Sequence[Trial]) -> pd.DataFrame | None:
    """Return the checked rows of the planned trials.

    None as long as one of them has no row, or where no row has an accuracy that a cell could be selected by.
    """
    stored = rows_of(planned, rows)
    return None if len(stored) < len(planned) or tasks_without_accuracy(stored) else errors(stored)


def _confirmation(spec: StudySpec, task: Identified, cells: Sequence[Cell], stored: pd.DataFrame) -> Stage:
    """Return fresh seeds at the validation-best cell of each label."""
    best = selected_cells(stored)
    best = best[best["seeds"] > 0].set_index("label")
    chosen = [cell for cell in cells if _is_best(cell, best)]
    seeds = fresh_seeds(spec.seeds, spec.confirm)
    return Stage("confirmation", tuple(trials_at(spec, task, chosen, seeds, "confirm")))


def _extension(
    cells: Sequence[Cell], reaches: Mapping[str, Reach], stored: pd.DataFrame, spec: StudySpec
) -> tuple[list[Cell], list[str]]:
    """Return the cells to add to ``cells``, and a line for each side of a grid that is extended or cannot be."""
    new: list[Cell] = []
    notes: list[str] = []
    if spec.extend is None:
        return new, notes
    for (_, label), chosen in chosen_rates(stored).items():
        sides = reaches[label].extend(chosen)
        notes += extension_notes(label, chosen, sides, spec.extend.decades)
        own = [cell for cell in cells if cell.label == label]
        here = [cell for cell in own if cell.hyperparameters["lr"] == own[0].hyperparameters["lr"]]
        for rate in (rate for added in sides.values() for rate in added):
            new += [cell._replace(hyperparameters={**cell.hyperparameters, "lr": rate}) for cell in here]
    return new, notes


def _is_best(cell: Cell, best: pd.DataFrame) -> bool:
    values = cell.hyperparameters
    return (
        cell.label in best.index
        and bool(at_scale_one(cell.grad_scale))
        and significant(values["lr"]) == best.loc[cell.label, "lr"]
        and significant(values["weight_decay"]) == best.loc[cell.label, "weight_decay"]
    )


def unmeasured(rows: pd.DataFrame) -> set[str]:
    """Return the ids of completed trials whose flatness was not measured."""
    missing = (rows["status"] == "completed") & rows["lambda_max"].isna()
    return set(rows.loc[missing, "trial_id"])


def to_measure(trials: Sequence[Trial], rows: pd.DataFrame) -> list[Trial]:
    """Return the trials that ``flatness: selected`` trains again, measured; their rows replace the old ones.

    They are all trials at each label's validation-best cell, at gradient scale 1. A measurement needs the trained
    weights, which are not stored, and only the finished grid tells which cell is selected. A run depends on its
    settings alone, so everything else in its row comes out the same, except its time.

    Args:
        trials: The study's.
        rows: The stored rows.
    """
    here = by_workload(rows_of(trials, rows))
    if here.empty or tasks_without_accuracy(here):
        return []
    best = selected_cells(here)[["task", "label", "lr", "weight_decay"]]
    at_best = with_significant(here)[here["grad_scale"] == 1].merge(
        best, on=["task", "label", "lr", "weight_decay"]
    )
    wanted = set(at_best["trial_id"]) & unmeasured(here)
    chosen = [trial for trial in trials if trial.trial_id in wanted]
    return [replace(trial, settings=replace(trial.settings, flatness=True)) for trial in chosen]
