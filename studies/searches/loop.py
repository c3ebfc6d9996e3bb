"""The loop of a search: points are suggested, their surfaces trained and scored, and the front is confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from robustness.tasks import BaseTask
from studies.planning.search_trials import point_size, point_trials, reference_trials, with_fresh_seeds
from studies.planning.stages import rows_of
from studies.planning.trials import Trial
from studies.searches.points import Points, Values
from studies.searches.result import SearchResult, importance, limits, point_table
from studies.searches.scoring import Scorer
from studies.searches.surfaces import Surfaces
from studies.spec.search import Range, SearchSpec
from studies.spec.study import StudySpec
from studies.store.schema import hyperparameter
from studies.store.study_folder import failures

Evaluate = Callable[[Sequence[Values]], Sequence[Mapping[str, Any]]]


def explore(
    points: Points,
    evaluate: Evaluate,
    wanted: int,
    *,
    stop: Callable[[], bool] = lambda: False,
    on_told: Callable[[], None] = lambda: None,
) -> None:
    """Take points in batches, have them evaluated, and tell their scores in the order in which they were suggested.

    Args:
        points: Suggests points and is told their scores.
        evaluate: Returns the scores of a batch of points, in its order: every objective, and the share ``diverged``.
        wanted: How many points in all.
        stop: Called before each batch; no more are taken once it returns true.
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
class SearchPlan:
    """What a search has to do.

    Attributes:
        spec: The study.
        search: Its search.
        task: Its task, loaded.
        wanted: How many points are to be scored.
    """

    spec: StudySpec
    search: SearchSpec
    task: BaseTask
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


class SearchLoop:
    """A search that is under way; making one trains its references.

    Args:
        plan: What it has to do.
        points: Its points so far.
        surfaces: Trains surfaces.

    Raises:
        SweepError: If trials of the references could not be trained.
        InputError: If no reference beats knowing nothing, so that there is no scale to score on.
    """

    def __init__(self, plan: SearchPlan, points: Points, surfaces: Surfaces) -> None:
        self.plan, self.points, self.surfaces = plan, points, surfaces
        references = plan.references()
        trained = surfaces.train(list(references.values()))
        self.references = dict(zip(references, trained, strict=True))
        self.scorer = Scorer(pd.concat(trained, ignore_index=True), plan.search.objectives)

    def run(self, stop: Callable[[], bool]) -> SearchResult:
        """Add the points that are stored already, explore, and confirm the front where the study asks for that.

        Args:
            stop: Called before each batch; no more points are taken once it returns true.

        Raises:
            SweepError: If trials could not be trained; all others are stored.
        """
        if not self.points.begun:
            # the sampler grid takes all its points itself, those that are stored too
            grid = self.plan.search.sampler == "grid"
            stored = [] if grid else list(self._stored(self.surfaces.stored.rows()))
            self.points.begin(list(zip(stored, self.evaluate(stored), strict=True)))
        self._show()
        explore(self.points, self.evaluate, self.plan.wanted, stop=stop, on_told=self._show)
        result = self.result()
        result.references = pd.DataFrame(
            [{"label": label, **self.scorer.score(rows)} for label, rows in self.references.items()]
        )
        if self.plan.search.confirm and len(result.front):
            result.confirmed = self._confirm(result, self.plan.search.confirm)
        result.importance = importance(result.points, self.plan.search)
        result.failed = self._failed()
        return result

    def evaluate(self, batch: Sequence[Values]) -> list[dict[str, Any]]:
        """Train the surfaces of a batch of points and score each."""
        planned = [self.plan.surface(values) for values in batch]
        trained = self.surfaces.train(planned) if planned else []
        return [
            {"label": trials[0].label, **self.scorer.score(rows)}
            for trials, rows in zip(planned, trained, strict=True)
        ]

    def result(self) -> SearchResult:
        """Return what the search has found so far, references and confirmation left out."""
        search = self.plan.search
        worst = {name: self.scorer.worst(name) for name in search.objectives}
        rates = self.plan.spec.optimizers[search.optimizer].rates(self.plan.spec.grid)
        best = limits(worst, rates, self.scorer.ideal)
        return SearchResult(search, point_table(self.points), best, worst, metric=self.scorer.metric)

    def _show(self) -> None:
        progress = self.surfaces.progress
        progress.note = self.result().note(self.plan.wanted)
        progress.expect(max(self.plan.wanted - self.points.told, 0) * self.plan.point_size)
        progress.update([])

    def _stored(self, rows: pd.DataFrame) -> Iterator[Values]:
        """Yield the points of the space whose whole surface a grid has trained already."""
        key, space = self.plan.search.optimizer, self.plan.search.space
        optimizer = self.plan.spec.optimizers[key].named(key)
        own = rows[(rows["role"] == "grid") & (rows["optimizer"] == optimizer)]
        tried = pd.DataFrame({name: hyperparameter(own, name) for name in space})
        for record in tried.drop_duplicates().sort_values(list(space)).to_dict("records"):
            values = {str(name): None if pd.isna(value) else value for name, value in record.items()}
            if all(_within(axis, values[name]) for name, axis in space.items()):
                surface = self.plan.surface(values)
                if len(rows_of(surface, rows)) == len(surface):
                    yield values

    def _confirm(self, result: SearchResult, number: int) -> pd.DataFrame:
        """Score the front and the references with fresh seeds, errors at the cells selected before."""
        space = list(self.plan.search.space)
        labelled = {
            row["label"]: self.plan.surface(row[space].to_dict()) for _, row in result.front.iterrows()
        }
        labelled |= self.plan.references()
        fresh = [
            with_fresh_seeds(self.plan.spec, trials, number, self.plan.task) for trials in labelled.values()
        ]
        cells = pd.concat([result.front, result.references]).set_index("label")[
            ["best_lr", "best_weight_decay"]
        ]
        new = {trial.trial_id for trials in fresh for trial in trials} - self.surfaces.stored.trial_ids()
        self.surfaces.progress.expect(len(new))
        return pd.DataFrame(
            [
                {"label": label, **self.scorer.score(rows, cells.loc[label])}
                for label, rows in zip(labelled, self.surfaces.train(fresh), strict=True)
            ]
        )

    def _failed(self) -> list[str]:
        """Return a line for each failed trial of the search."""
        rows = self.surfaces.stored.rows()
        if not (rows["status"] == "failed").any():
            return []
        tried = [self.plan.surface(trial.params) for trial in self.points.records()]
        tried += list(self.plan.references().values())
        own = {trial.trial_id for trials in tried for trial in trials}
        return failures(rows[rows["trial_id"].isin(own)])


def _within(axis: Range | tuple[Any, ...], value: Any) -> bool:
    if isinstance(axis, Range):
        return value is not None and axis.low <= value <= axis.high
    return value in axis
