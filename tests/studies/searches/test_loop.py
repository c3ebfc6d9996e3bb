"""The loop of a search: batches, the order of scores, and when it stops."""

import optuna

from studies.searches.loop import explore
from studies.searches.points import Points
from studies.spec.search import SearchSpec


def points_of(**changes):
    keys = {"optimizer": "ada2ms", "space": {"mixing": {"low": 0, "high": 1}}, "objectives": "val_error"}
    search = SearchSpec(**{**keys, "sampler": "random", "batch": 4, "trials": 10, **changes})
    points = Points(optuna.storages.InMemoryStorage(), "s", search)
    points.begin([])
    return points


def scores(batch):
    return [{"label": "x", "val_error": values["mixing"], "diverged": 0.0} for values in batch]


def test_points_are_evaluated_in_batches_and_their_scores_told_in_order():
    points, sizes, told = points_of(), [], []

    def evaluate(batch):
        sizes.append(len(batch))
        return scores(batch)

    explore(points, evaluate, 10, on_told=lambda: told.append(points.told))
    assert (sizes, told) == ([4, 4, 2], [4, 8, 10])
    assert all(record.values == [record.params["mixing"]] for record in points.records())


def test_no_batch_is_begun_once_stop_returns_true():
    points = points_of()
    explore(points, scores, 10, stop=lambda: points.told >= 4)
    assert points.told == len(points.records()) == 4
    explore(points, scores, 10)
    assert points.told == 10


def test_a_batch_that_was_interrupted_is_evaluated_again_as_it_was():
    points = points_of()
    begun = [record.params for record in points.batch(10)]
    batches = []
    explore(points, lambda batch: batches.append(list(batch)) or scores(batch), 4)
    assert batches == [begun]
