"""The result of a search: its points, their front beside the references, and which hyperparameters mattered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState, create_trial

from analysis.statistics.pareto import hypervolume, hypervolume_history, on_front
from analysis.task_metric import ERROR, TaskMetric
from studies.searches.points import STORED_BEFORE, Points
from studies.spec.objectives import directions
from studies.spec.search import Range, SearchSpec


@dataclass
class SearchResult:
    """The result of a search, or what it has found so far.

    Attributes:
        search: What was searched.
        points: One row per scored point in the order in which they were suggested: ``number``, ``label``, the
            searched hyperparameters, what ``studies.searches.scoring.Scorer.score`` returns, ``stored_before`` (it
            was trained before the search), ``feasible`` and ``on_front``. A point that was suggested twice has two
            rows with the same scores, and only the first can be on the front.
        best: The best value that each objective can have.
        worst: The worst.
        references: The references' scores, one row per label.
        confirmed: The same scores with fresh seeds, one row per label of the front and of the references; empty
            where none were asked for.
        importance: One row per objective and hyperparameter; empty for a single hyperparameter.
        failed: A line for each trial that failed.
        location: The study's folder.
        files: What was written beside the rows.
        metric: What the task is judged by.
    """

    search: SearchSpec
    points: pd.DataFrame
    best: dict[str, float]
    worst: dict[str, float]
    references: pd.DataFrame = field(default_factory=pd.DataFrame)
    confirmed: pd.DataFrame = field(default_factory=pd.DataFrame)
    importance: pd.DataFrame = field(default_factory=pd.DataFrame)
    failed: list[str] = field(default_factory=list)
    location: str = ""
    files: list[str] = field(default_factory=list)
    metric: TaskMetric = ERROR

    @property
    def objectives(self) -> Mapping[str, str]:
        """The direction of each objective."""
        return directions(self.search.objectives, self.metric)

    @property
    def front(self) -> pd.DataFrame:
        """The points that no other point dominates, from one end of the front to the other."""
        return self.points[self.points["on_front"]].sort_values(list(self.objectives), ignore_index=True)

    @property
    def hypervolume(self) -> float:
        """The share of the box between ``best`` and ``worst`` that the front dominates."""
        feasible = self.points[self.points["feasible"]]
        return hypervolume(feasible, self.objectives, self.best, self.worst)

    @property
    def history(self) -> pd.DataFrame:
        """The hypervolume after each point."""
        feasible = self.points.where(self.points["feasible"])
        return hypervolume_history(feasible, self.objectives, self.best, self.worst)

    def note(self, wanted: int) -> str:
        """Say in a few words how far the search is."""
        scored = int((~self.points["stored_before"]).sum())
        front = int(self.points["on_front"].sum())
        return f"{scored}/{wanted} points, front {front}, hypervolume {self.hypervolume:.3f}"


def point_table(points: Points) -> pd.DataFrame:
    """Return the table of ``SearchResult.points``."""
    search = points.search
    records = [
        {
            "number": trial.number,
            "label": trial.user_attrs["label"],
            **trial.params,
            **{key: value for key, value in trial.user_attrs.items() if key not in (STORED_BEFORE, "label")},
            "stored_before": STORED_BEFORE in trial.user_attrs,
        }
        for trial in points.records()
        if trial.state == TrialState.COMPLETE
    ]
    scored = [f"{name}{end}" for name in search.objectives for end in ("", "_low", "_high")]
    columns = ["number", "label", *search.space, *scored, "diverged", "stored_before"]
    table = pd.DataFrame(records)
    table = table.reindex(columns=[*columns, *(name for name in table.columns if name not in columns)])
    table[[*scored, "diverged"]] = table[[*scored, "diverged"]].astype(float)
    table["stored_before"] = table["stored_before"].astype(bool)
    limit = 1.0 if search.max_diverged is None else search.max_diverged
    table["feasible"] = table["diverged"] <= limit
    first = table["feasible"] & ~table.duplicated(list(search.space))
    front = on_front(table[first], points.directions)
    table["on_front"] = front.reindex(table.index, fill_value=False)
    return table


def importance(points: pd.DataFrame, search: SearchSpec) -> pd.DataFrame:
    """Return how much of the variance of each score goes with each searched hyperparameter: fANOVA, 64 trees.

    Logarithmic ranges enter as log10 of their values, and a point that learned nowhere with the worst score. The
    shares describe the points that were tried, and a sampler tries more of them where scores are good.

    Args:
        points: The table of ``SearchResult.points``.
        search: What was searched.

    Returns:
        Columns ``objective``, ``hyperparameter``, ``importance`` (they add up to 1 for an objective); empty for a
        single hyperparameter or fewer than two points.

    References:
        Hutter, Hoos, Leyton-Brown 2014, http://proceedings.mlr.press/v32/hutter14.html
    """
    columns = ["objective", "hyperparameter", "importance"]
    if len(search.space) < 2 or len(points) < 2:
        return pd.DataFrame(columns=columns)
    kinds = {name: _linear(search, name) for name in search.space}
    # shares of a variance have no direction
    study = optuna.create_study(directions=["minimize"] * len(search.objectives))
    for record in points.to_dict("records"):
        params = {name: _on_axis(search, name, record[name]) for name in kinds}
        values = [record[name] for name in search.objectives]
        study.add_trial(
            create_trial(state=TrialState.COMPLETE, values=values, params=params, distributions=dict(kinds))
        )
    importances = []
    for index, objective in enumerate(search.objectives):
        shares = get_param_importances(
            study,
            evaluator=FanovaImportanceEvaluator(seed=search.seed),
            target=partial(_score, index=index),
        )
        importances += [(objective, name, shares[name]) for name in search.space]
    return pd.DataFrame(importances, columns=columns)


def _score(trial: FrozenTrial, *, index: int) -> float:
    return trial.values[index]


def _linear(search: SearchSpec, name: str) -> BaseDistribution:
    axis = search.space[name]
    if not isinstance(axis, Range):
        return CategoricalDistribution(axis)
    return FloatDistribution(_on_axis(search, name, axis.low), _on_axis(search, name, axis.high))


def _on_axis(search: SearchSpec, name: str, value: float) -> float:
    axis = search.space[name]
    return math.log10(value) if isinstance(axis, Range) and axis.log else value


def limits(worst: Mapping[str, float], rates: Sequence[float], ideal: float) -> dict[str, float]:
    """Return the best value that each objective can have.

    Args:
        worst: The worst value of each objective.
        rates: The learning rates of a surface, all of which a width can reach over.
        ideal: Of the task's metric, or of the error.

    Returns:
        For S and T nothing lost, 0.
    """
    best = {"width": math.log10(max(rates) / min(rates)), "val_error": ideal, "val_metric": ideal}
    return {name: best.get(name, 0.0) for name in worst}
