"""A search as the command prints it."""

import io

import pandas as pd
import pytest
from rich.console import Console

from studies.searches.result import SearchResult
from studies.spec.search import SearchSpec
from studies.terminal.search import print_search, print_searches

SEARCH = SearchSpec(optimizer="ada2ms", space={"mixing": {"low": 0, "high": 1}, "beta2": [0.9, 0.99]})
WORST = {"val_error": 0.5, "sensitivity": 1.0}


def score(label, val_error, sensitivity, **more):
    """Return the scores of a surface, each with an interval of 0.01 on either side."""
    record = {"label": label, "best_lr": 0.01, "diverged": 0.125, **more}
    for name, value in (("val_error", val_error), ("sensitivity", sensitivity), ("test_error", val_error)):
        record |= {name: value, f"{name}_low": value - 0.01, f"{name}_high": value + 0.01}
    return record


def result(on_front):
    known = {"feasible": on_front, "on_front": on_front}
    points = [
        score("stored", 0.2, 0.2, stored_before=True, **known),
        score("new", 0.3, 0.1, stored_before=False, **known),
    ]
    references = pd.DataFrame([score("adamw", 0.25, 0.5)])
    best = dict.fromkeys(WORST, 0.0)
    return SearchResult(
        SEARCH, pd.DataFrame(points), best, WORST, references, location="runs/s", files=["a.csv"]
    )


def printed(result):
    screen = Console(file=io.StringIO(), width=120)
    print_search(screen, result)
    return " ".join(screen.file.getvalue().split())


def test_the_front_stands_beside_the_references_with_errors_in_percent():
    text = printed(result(on_front=True))
    assert "stored 20.00 ± 1.00 0.200 ± 0.010 20.00 ± 1.00 0.01 12.5 %" in text
    assert text.index("stored 20.00") < text.index("new 30.00") < text.index("adamw 25.00")
    assert "1 points, 2 on the front, hypervolume 0.520; in runs/s: a.csv" in text
    assert "fresh seeds" not in text


def test_an_empty_front_is_explained():
    assert "no point is on the front: none could be scored, or" in printed(result(on_front=False))


def test_fresh_seeds_and_importance_are_shown_where_there_are_any():
    found = result(on_front=True)
    found.confirmed = pd.DataFrame([score("new", 0.31, 0.12)])
    found.importance = pd.DataFrame(
        {"objective": list(WORST), "hyperparameter": "mixing", "importance": [0.75, 0.25]}
    )
    text = printed(found)
    assert text.index("fresh seeds") < text.index("new 31.00 ± 1.00")
    assert "mixing 0.75 0.25" in text


def test_those_of_a_suite_are_printed_by_workload_and_any_failure_is_told():
    screen = Console(file=io.StringIO(), width=120)
    found = {"first": result(on_front=True), "second": result(on_front=True)}
    assert not print_searches(screen, found)
    found["first"].failed = ["x adamw lr=0.1 seed=0: worn out"]
    assert print_searches(screen, found)
    text = screen.file.getvalue()
    again = text[text.rindex("first:") :]
    assert again.index("worn out") < again.index("second:")
    assert again.count("2 on the front") == 2


def test_hypervolume_is_the_share_of_the_box_that_the_front_dominates():
    assert result(on_front=True).hypervolume == pytest.approx((0.3 * 0.8 + 0.2 * 0.1) / 0.5)
