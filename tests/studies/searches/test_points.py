"""Points of a search whose two objectives are known in closed form, so that nothing needs to be trained.

On the exponent plane, with ``a`` the squared distance from AdamW (1/2, 0) and ``b`` that from normalized momentum
SGD (0, 1/2): the Pareto set is the segment between the two, Ada2MS's line. At share ``t`` of the way ``a = t^2 / 2``
and ``b = (1 - t)^2 / 2``, so that the front dominates 5/6 of the box from (0, 0) to (1/2, 1/2).
"""

import optuna
import pytest

from studies.searches.loop import explore
from studies.searches.points import SAMPLERS, Points, open_journal
from studies.searches.result import point_table
from studies.spec.search import SearchSpec

DIRECTIONS = {"val_error": "minimize", "sensitivity": "minimize"}
SHARE = 5 / 6


def plane(**changes):
    axis = {"low": 0.0, "high": 0.75}
    keys = {"optimizer": "exponent_plane", "space": {"p": axis, "q": axis}, "trials": 60}
    return SearchSpec(**{**keys, **changes})


def distances(batch):
    return [
        {
            "label": "exponent_plane",
            "val_error": (values["p"] - 0.5) ** 2 + values["q"] ** 2,
            "sensitivity": values["p"] ** 2 + (values["q"] - 0.5) ** 2,
            "diverged": values["q"],
        }
        for values in batch
    ]


def points_of(search, storage=None):
    points = Points(storage or optuna.storages.InMemoryStorage(), "plane", search)
    if not points.begun:
        points.begin([])
    return points


def searched(search, **options):
    points = points_of(search)
    explore(points, distances, search.wanted, **options)
    return points


def share_of_truth(points):
    from analysis.statistics.pareto import hypervolume

    best, worst = dict.fromkeys(DIRECTIONS, 0.0), dict.fromkeys(DIRECTIONS, 0.5)
    return hypervolume(point_table(points), DIRECTIONS, best, worst) / SHARE


@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 60), ("gp", 24)])
def test_the_front_reaches_95_percent_of_the_true_hypervolume(sampler, trials):
    assert share_of_truth(searched(plane(sampler=sampler, trials=trials))) > 0.95


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "gp"])
def test_the_same_seed_gives_the_same_points_and_another_seed_others(sampler):
    once, again, other = (
        [trial.params for trial in searched(plane(sampler=sampler, trials=20, seed=seed)).records()]
        for seed in (0, 0, 1)
    )
    assert once == again
    assert once != other


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_killed_while_asking_or_telling_it_goes_on_with_the_very_same_points(sampler, tmp_path, monkeypatch):
    undisturbed = searched(plane(sampler=sampler, trials=14, batch=4))

    class Killed(BaseException):
        pass

    def dying(countdown, method):
        def counted(self, *arguments, **options):
            countdown[0] -= 1
            if countdown[0] < 0:
                raise Killed
            return method(self, *arguments, **options)

        return counted

    def go_on():
        points = points_of(plane(sampler=sampler, trials=14, batch=4), open_journal(tmp_path / "j"))
        explore(points, distances, 14)
        return points

    for name in ("add_trial", "tell"):
        original = getattr(optuna.Study, name)
        for after in (0, 2, 3):
            monkeypatch.setattr(optuna.Study, name, dying([after], original))
            with pytest.raises(Killed):
                go_on()
        monkeypatch.setattr(optuna.Study, name, original)
    points = go_on()
    assert [trial.params for trial in points.records()] == [trial.params for trial in undisturbed.records()]
    assert [trial.values for trial in points.records()] == [trial.values for trial in undisturbed.records()]
    assert all(trial.state.is_finished() for trial in points.records())


def test_a_journal_whose_last_line_was_cut_short_is_read_up_to_there(tmp_path):
    search = plane(sampler="random", trials=4)
    explore(points_of(search, open_journal(tmp_path / "j")), distances, 4)
    content = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(content + b'{"op_code": 4, "worker')
    points = points_of(search, open_journal(tmp_path / "j"))
    explore(points, distances, 8)
    assert len(point_table(points)) == 8


def test_grid_takes_every_combination_in_order_and_no_more():
    axes = {"mixing": {"low": 0.0, "high": 1.0, "points": 3}, "scope": ["model", "tensor"]}
    search = SearchSpec(optimizer="ada2ms", space=axes, sampler="grid")
    points = points_of(search)
    assert search.wanted == 6
    batch = [trial.params for trial in points.batch(search.wanted)]
    assert batch == [{"mixing": m, "scope": s} for m in (0.0, 0.5, 1.0) for s in ("model", "tensor")]


def test_suggestions_are_rounded_to_what_is_trained():
    search = plane(space={"p": {"low": -0.5, "high": 1.0}, "eps": {"low": 1e-10, "high": 1e-4, "log": True}})
    for trial in points_of(search).batch(8):
        assert trial.params["p"] == round(trial.params["p"], 3)
        assert trial.params["eps"] == float(f"{trial.params['eps']:.3g}")


def test_known_points_are_added_once_and_are_not_counted():
    search = plane(sampler="tpe", trials=8)
    points = Points(optuna.storages.InMemoryStorage(), "plane", search)
    known = [({"p": 0.5, "q": 0.0}, distances([{"p": 0.5, "q": 0.0}])[0])]
    points.begin(known)
    points.begin(known)
    explore(points, distances, 8)
    table = point_table(points)
    assert table["stored_before"].tolist() == [True] + 8 * [False]


def test_a_point_that_cannot_be_scored_has_failed_and_stops_nothing():
    def first_is_broken(batch):
        return [{**scores, "sensitivity": float("nan")} for scores in distances(batch)[:1]] + distances(
            batch
        )[1:]

    points = points_of(plane(sampler="tpe", trials=8))
    explore(points, first_is_broken, 8)
    assert [trial.state.name for trial in points.records()] == ["FAIL"] + 7 * ["COMPLETE"]
