"""What a study would train: its trials less the stored ones, what follows from them, what a search would train."""

import pytest

from studies import SpecError, StudySpec, run
from studies.study_plan import plan_study


def study(**changes):
    settings = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0]},
        "optimizers": {"adamw": {"lr": 1e-2}, "ada2ms": {"lr": 1e-2}},
    }
    return StudySpec(**{**settings, **changes})


@pytest.fixture
def forecast_of(tmp_path):
    """Return a function that writes a study into a file and plans it for the folder ``out``."""

    def forecast(spec):
        (tmp_path / "s.yaml").write_text(spec.to_yaml())
        return plan_study(tmp_path / "s.yaml", out=tmp_path / "out", workers=2, engine="sequential")

    return forecast


def test_stored_trials_are_planned_and_not_pending(forecast_of, tmp_path):
    run(study(), out=tmp_path / "out", workers=0, engine="sequential")
    forecast = forecast_of(study(seeds=2))
    assert (len(forecast.plan.trials), forecast.plan.pending) == (12, 6)
    assert (forecast.cost.workers, forecast.later, forecast.searched) == (2, {}, None)


def test_what_is_chosen_after_the_grid_is_named_by_its_key(forecast_of):
    later = forecast_of(study(extend={"decades": 1}, confirm=5)).later
    assert list(later) == ["extend", "confirm"]
    assert later["extend"].endswith("up to 1 decade a side")
    assert later["confirm"].startswith("10 trials")


def test_a_search_is_counted_with_its_references(forecast_of, tmp_path):
    search = {"optimizer": "ada2ms", "space": {"mixing": [0, 1]}, "trials": 4}
    assert forecast_of(study(search=search)).searched == 3 + 4 * 3
    assert not (tmp_path / "out").exists()


def test_a_wrong_study_is_refused(tmp_path):
    with pytest.raises(SpecError, match="no.yaml: no such file"):
        plan_study(tmp_path / "no.yaml")
