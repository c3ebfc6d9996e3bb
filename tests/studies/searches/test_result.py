"""The result of a search: its table of points, their front, and what mattered."""

import math

import optuna
import pytest

from analysis.statistics.pareto import on_front
from analysis.task_metric import ERROR, TaskMetric
from studies.searches.loop import explore
from studies.searches.points import Points
from studies.searches.result import SearchResult, importance, limits, point_table
from studies.spec.search import SearchSpec

SPACE = {"p": {"low": 0.0, "high": 0.75}, "q": {"low": 0.0, "high": 0.75}}
DIRECTIONS = {"val_error": "minimize", "sensitivity": "minimize"}


def searched(score, metric=ERROR, **changes):
    """Return a random search whose points are scored by a function of their values, and its points."""
    keys = {"optimizer": "exponent_plane", "space": SPACE, "sampler": "random", "trials": 30}
    search = SearchSpec(**{**keys, **changes})
    points = Points(optuna.storages.InMemoryStorage(), "s", search, metric)
    points.begin([])
    explore(points, lambda batch: [{"label": "x", **score(values)} for values in batch], search.trials)
    return search, points


def distances(values):
    p, q = values["p"], values["q"]
    return {"val_error": (p - 0.5) ** 2 + q**2, "sensitivity": p**2 + (q - 0.5) ** 2, "diverged": q}


def test_the_front_is_the_true_one_for_the_points_told():
    table = point_table(searched(distances, trials=40)[1])
    for row in table.itertuples():
        better = (table["val_error"] <= row.val_error) & (table["sensitivity"] <= row.sensitivity)
        strictly = (table["val_error"] < row.val_error) | (table["sensitivity"] < row.sensitivity)
        assert row.on_front == (not (better & strictly).any())


def test_points_that_diverge_too_much_are_not_on_the_front():
    _, points = searched(distances, max_diverged=0.25)
    table = point_table(points)
    assert (table.loc[table["on_front"], "q"] <= 0.25).all()
    assert table["on_front"].any()
    feasible = table["diverged"] <= 0.25
    assert table.loc[feasible, "on_front"].tolist() == on_front(table[feasible], DIRECTIONS).tolist()
    assert points.records()[0].constraints == {"diverged": table["diverged"][0] - 0.25}


def test_a_point_that_was_suggested_twice_is_on_the_front_once():
    equal = {"val_error": 0.1, "sensitivity": 0.2, "diverged": 0.0}
    _, points = searched(lambda values: equal, space={"scope": ["model", "tensor"]}, trials=8)
    table = point_table(points)
    assert len(table) == 8
    assert table.loc[table["on_front"], "scope"].tolist() == table["scope"].drop_duplicates().tolist()


def test_hypervolume_and_note_count_the_points_so_far():
    _, points = searched(lambda values: {"val_error": 0.25, "sensitivity": 0.5, "diverged": 0.0}, trials=3)
    worst = {"val_error": 0.5, "sensitivity": 1.0}
    result = SearchResult(points.search, point_table(points), dict.fromkeys(worst, 0.0), worst)
    assert result.hypervolume == pytest.approx(0.5 * 0.5)
    assert result.note(8) == "3/8 points, front 3, hypervolume 0.250"


def test_importance_goes_with_the_hyperparameter_that_matters_on_its_own_scale():
    space = {"p": {"low": 0.0, "high": 1.0}, "eps": {"low": 1e-8, "high": 1.0, "log": True}}

    def by_eps(values):
        return {"val_error": -math.log10(values["eps"]) / 8, "sensitivity": values["p"], "diverged": 0.0}

    search, points = searched(by_eps, space=space, trials=40)
    shares = importance(point_table(points), search).set_index(["objective", "hyperparameter"])["importance"]
    assert shares["val_error", "eps"] > 0.9
    assert shares["sensitivity", "p"] > 0.9


def test_one_hyperparameter_alone_has_no_importance():
    search, points = searched(
        lambda values: {"val_error": values["p"], "sensitivity": 0.0, "diverged": 0.0},
        space={"p": SPACE["p"]},
        trials=3,
    )
    assert importance(point_table(points), search).empty


def test_the_best_width_is_the_whole_grid_and_the_best_value_is_the_metrics():
    worst = {"val_error": 0.9, "width": 0.0, "sensitivity": 1.0}
    assert limits(worst, [1e-3, 0.1, 10.0], 0.0) == {"val_error": 0.0, "width": 4.0, "sensitivity": 0.0}
    assert limits({"val_metric": 0.2}, [0.1, 1.0], 1.0) == {"val_metric": 1.0}


def test_what_is_to_be_maximized_dominates_where_it_is_larger():
    metric = TaskMetric("macro F1", "%", "max")
    search, points = searched(
        lambda values: {"val_metric": values["p"], "sensitivity": 0.5, "diverged": 0.0},
        metric,
        objectives=["val_metric", "sensitivity"],
    )
    table = point_table(points)
    assert table.loc[table["on_front"], "p"].tolist() == [table["p"].max()]
    best, worst = {"val_metric": 1.0, "sensitivity": 0.0}, {"val_metric": 0.2, "sensitivity": 1.0}
    result = SearchResult(search, table, best, worst, metric=metric)
    assert result.objectives == {"val_metric": "maximize", "sensitivity": "minimize"}
    assert result.hypervolume == pytest.approx((table["p"].max() - 0.2) / 0.8 * 0.5)
