"""What a search writes: a table for each part of its result, a figure for each hyperparameter of numbers."""

import optuna
import pandas as pd
import pytest

from studies.reports.search import write_search
from studies.searches.loop import explore
from studies.searches.points import Points
from studies.searches.result import SearchResult, point_table
from studies.spec.search import SearchSpec
from studies.store.store import Store

SCORES = ("val_error", "sensitivity", "test_error")


def score(label, value, lr=0.01):
    ends = {f"{name}{end}": value for name in SCORES for end in ("", "_low", "_high")}
    return {"label": label, "best_lr": lr, "best_weight_decay": 0.0, "diverged": 0.0, **ends}


def result(space, trials=4):
    keys = {"optimizer": "exponent_plane", "space": space, "sampler": "random"}
    search = SearchSpec(trials=trials or 1, **keys)
    points = Points(optuna.storages.InMemoryStorage(), "s", search)
    points.begin([])
    explore(points, lambda batch: [score("x", 0.1 + index / 10) for index in range(len(batch))], trials)
    best, worst = dict.fromkeys(SCORES[:2], 0.0), dict.fromkeys(SCORES[:2], 1.0)
    return SearchResult(search, point_table(points), best, worst, pd.DataFrame([score("adamw", 0.3)]))


@pytest.fixture
def store(tmp_path):
    folder = Store(tmp_path / "s")
    with folder.driving():
        yield folder


def names(written):
    return {
        name.removeprefix("search/").removesuffix(".pdf") for name in written.files if name.endswith("pdf")
    }


def test_numbers_have_a_response_and_the_two_exponents_a_plane(store):
    axis = {"low": 0.0, "high": 0.5}
    written = write_search(result({"p": axis, "q": axis, "scope": ["model", "tensor"]}), store)
    planes = {"plane-val_error", "plane-sensitivity"}
    assert names(written) == {"front", "hypervolume", "response-p", "response-q", *planes}
    assert written.location == store.location


def test_tables_are_written_where_they_have_rows(store):
    written = write_search(result({"mixing": {"low": 0.0, "high": 1.0}}, trials=0), store)
    assert written.files == ["search/references.csv"]
