"""A search that is under way: points asked for and told, their surfaces trained and scored, the front confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from rich.console import Console

from robustness.tasks import Task
from robustness.training import Engine
from studies.asking import Points, Values
from studies.findings import Findings, importance, limits, point_table
from studies.objectives import Scorer
from studies.progress import ProgressLine
from studies.screen import engine_text
from studies.search_report import write_findings
from studies.spaces import Range, SearchSpec
from studies.spec import StudySpec
from studies.stages import asked_for
from studies.status import failures
from studies.surfaces import Surfaces, point_size, point_trials, reference_trials, with_fresh_seeds
from studies.trials import Trial

Evaluate = Callable[[Sequence[Values]], Sequence[Mapping[str, Any]]]


def explore(
    points: Points,
    evaluate: Evaluate,
    wanted: int,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_told: Callable[[], None] = lambda: None,
) -> None:
    """Ask for points in batches, have them evaluated, and tell their scores in the order of asking.

    Args:
        points: What to ask and to tell.
        evaluate: Scores a batch of points, each with every objective and the share ``diverged``.
        wanted: How many points.
        stop: Asked before each batch.
        on_told: Called after each batch.
    """
    while not stop():
        batch = points.batch(wanted)
        if not batch:
            return
        for trial, scores in zip(batch, evaluate([trial.params for trial in batch]), strict=True):
            points.tell(trial, scores)
        on_told()


@dataclass(frozen=True)
class Work:
    """What a search has to do.

    Attributes:
        spec: The study.
        search: Its search.
        task: Its task, loaded.
        wanted: How many points are to be scored.
    """

    spec: StudySpec
    search: SearchSpec
    task: Task
    wanted: int

    def surface(self, values: Mapping[Any, Any]) -> list[Trial]:
        """Return the trials of a point."""
        return point_trials(self.spec, self.search, self.task, values)

    @property
    def point_size(self) -> int:
        """How many trials a point takes."""
        return point_size(self.spec, self.search, self.task)

    def references(self) -> dict[str, list[Trial]]:
        """Return the trials of each reference, by its label."""
        trials: dict[str, list[Trial]] = {}
        for trial in reference_trials(self.spec, self.search, self.task):
            trials.setdefault(trial.label, []).append(trial)
        return trials

    def announce(self, console: Console, engine: Engine, location: str) -> None:
        """Say what is going to be trained, how, and where it goes."""
        lines = (
            f"{self.spec.name}: {self.wanted} points of {self.point_size} trials of {self.task.name}, and "
            f"{sum(map(len, self.references().values()))} of the references; rows go to {location}",
            f"engine: {engine_text(engine)}",
        )
        for text in lines:
            console.print(text, highlight=False, soft_wrap=True)

    def line(self, console: Console, stored: set[str]) -> ProgressLine:
        """Return the line of progress; it counts trials, and ``stored`` ones of the references as done."""
        references = [trial for trials in self.references().values() for trial in trials]
        done = sum(trial.trial_id in stored for trial in references)
        return ProgressLine(console, len(references) + self.wanted * self.point_size, done)


class Exploration:
    """A search that is under way.

    Args:
        work: What it has to do.
        points: Its points so far.
        surfaces: Trains surfaces.
    """

    def __init__(self, work: Work, points: Points, surfaces: Surfaces) -> None:
        self.work, self.points, self.surfaces = work, points, surfaces
        references = work.references()
        trained = surfaces.train(list(references.values()))
        self.references = dict(zip(references, trained, strict=True))
        self.scorer = Scorer(pd.concat(trained, ignore_index=True), work.search.objectives)

    def run(self, stop: Callable[[], bool]) -> Findings:
        """Add what is stored, explore until all points are told or ``stop`` says so, confirm, and report."""
        if not self.points.begun:
            # the grid's points come up anyway where the sampler takes them all
            grid = self.work.search.sampler == "grid"
            stored = [] if grid else list(self._stored(self.surfaces.store.rows()))
            self.points.begin(list(zip(stored, self.evaluate(stored), strict=True)))
        self._show()
        explore(self.points, self.evaluate, self.work.wanted, stop=stop, on_told=self._show)
        found = self.findings()
        found.references = pd.DataFrame(
            [{"label": label, **self.scorer.score(rows)} for label, rows in self.references.items()]
        )
        if self.work.search.confirm and len(found.front):
            found.confirmed = self._confirm(found, self.work.search.confirm)
        found.importance = importance(found.points, self.work.search)
        found.failed = self._failed(found)
        return write_findings(found, self.surfaces.store)

    def evaluate(self, batch: Sequence[Values]) -> list[dict[str, Any]]:
        """Train the surfaces of a batch of points and score each."""
        planned = [self.work.surface(values) for values in batch]
        trained = self.surfaces.train(planned) if planned else []
        return [
            {"label": trials[0].label, **self.scorer.score(rows)}
            for trials, rows in zip(planned, trained, strict=True)
        ]

    def findings(self) -> Findings:
        """Return what has been found so far."""
        search = self.work.search
        worst = {name: self.scorer.worst(name) for name in search.objectives}
        rates = self.work.spec.optimizers[search.optimizer].rates(self.work.spec.grid)
        return Findings(search, point_table(self.points), limits(search, worst, rates), worst)

    def _show(self) -> None:
        line = self.surfaces.line
        line.note = self.findings().note(self.work.wanted)
        line.expect(max(self.work.wanted - self.points.told, 0) * self.work.point_size)
        line.update([])

    def _stored(self, rows: pd.DataFrame) -> Iterator[Values]:
        """Yield the points in the space whose whole surface a grid has trained already."""
        key, space = self.work.search.optimizer, self.work.search.space
        optimizer = self.work.spec.optimizers[key].optimizer or key
        tried = rows.loc[(rows["role"] == "grid") & (rows["optimizer"] == optimizer), list(space)]
        for record in tried.drop_duplicates().sort_values(list(space)).to_dict("records"):
            values = {str(name): None if pd.isna(value) else value for name, value in record.items()}
            if all(_within(axis, values[name]) for name, axis in space.items()):
                surface = self.work.surface(values)
                if len(asked_for(rows, surface)) == len(surface):
                    yield values

    def _confirm(self, found: Findings, number: int) -> pd.DataFrame:
        """Score the front and the references with fresh seeds, errors at the cells selected before."""
        space = list(self.work.search.space)
        labelled = {
            row["label"]: self.work.surface(row[space].to_dict()) for _, row in found.front.iterrows()
        }
        labelled |= self.work.references()
        fresh = [
            with_fresh_seeds(self.work.spec, trials, number, self.work.task) for trials in labelled.values()
        ]
        cells = pd.concat([found.front, found.references]).set_index("label")[
            ["best_lr", "best_weight_decay"]
        ]
        new = {trial.trial_id for trials in fresh for trial in trials} - self.surfaces.store.trial_ids()
        self.surfaces.line.expect(len(new))
        return pd.DataFrame(
            [
                {"label": label, **self.scorer.score(rows, cells.loc[label])}
                for label, rows in zip(labelled, self.surfaces.train(fresh), strict=True)
            ]
        )

    def _failed(self, found: Findings) -> list[str]:
        """Return a line for each failed trial of the search."""
        rows = self.surfaces.store.rows()
        if not (rows["status"] == "failed").any():
            return []
        tried = [self.work.surface(trial.params) for trial in self.points.trials()]
        tried += list(self.work.references().values())
        own = {trial.trial_id for trials in tried for trial in trials}
        return failures(rows[rows["trial_id"].isin(own)])


def _within(axis: Range | tuple[Any, ...], value: Any) -> bool:
    if isinstance(axis, Range):
        return value is not None and axis.low <= value <= axis.high
    return value in axis
