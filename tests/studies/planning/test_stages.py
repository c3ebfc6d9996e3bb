"""Stages follow from the stored rows alone; accuracies here are a formula, so every stage is known beforehand."""

import math

import pandas as pd
import pytest

from analysis import test_error as confirmed_error
from robustness.tasks import load
from studies.planning.stages import rows_of, stages, stages_of
from studies.spec.study import StudySpec
from studies.store.schema import ROW_SCHEMA

TASK = load("digits-mlp")


def study(**changes):
    given = {
        "name": "s",
        "task": "digits-mlp",
        "budget": {"epochs": 1, "batch_size": 64},
        "seeds": 2,
        "extend": True,
        "confirm": 2,
        "grid": {"lr": {"decades": 2, "points": 3}, "weight_decay": [0, 0.1], "grad_scale": [1, 10]},
        "optimizers": {"sgd": {"lr": 1.0}, "adamw": {"lr": 1.0}},
    }
    return StudySpec(**{**given, **changes})


def row(trial, peaks):
    """A stored row: validation accuracy falls by 0.1 a decade from the label's peak, and a little with decay."""
    values = trial.settings.hyperparameters
    accuracy = 0.9 - 0.1 * abs(math.log10(values["lr"] / peaks[trial.label])) - 0.01 * values["weight_decay"]
    given = {
        "trial_id": trial.trial_id,
        "study": trial.study,
        "task": "digits-mlp",
        "optimizer": trial.settings.optimizer,
        "label": trial.label,
        "lr": values["lr"],
        "weight_decay": values["weight_decay"],
        "grad_scale": trial.settings.grad_scale,
        "seed": trial.settings.seed,
        "role": trial.role,
        "status": "completed",
        "chance_accuracy": 0.1,
        "val_accuracy": accuracy,
        "test_accuracy": accuracy - (0.05 if trial.role == "confirm" else 0.0),
    }
    return dict.fromkeys(ROW_SCHEMA.names) | given


def frame(records):
    return pd.DataFrame(list(records), columns=ROW_SCHEMA.names)


def grown(spec, peaks, stored=()):
    """Run all stages; return them with the rows, those that were stored before included."""
    store = {record["trial_id"]: record for record in stored}
    found = []
    for stage in stages(spec, TASK, lambda: frame(store.values())):
        found.append(stage)
        for trial in stage.trials:
            store.setdefault(trial.trial_id, row(trial, peaks))
    return found, frame(store.values())


def rates(stage, label):
    return sorted({t.settings.hyperparameters["lr"] for t in stage.trials if t.label == label})


PEAKS = {"sgd": 1.0, "adamw": 100.0}


def test_a_grid_is_extended_until_its_best_cell_lies_inside_and_then_confirmed():
    found, _ = grown(study(), PEAKS)
    assert [stage.name for stage in found] == ["grid", "extension 1", "extension 2", "confirmation"]
    assert [rates(stage, "adamw") for stage in found[:3]] == [[0.1, 1.0, 10.0], [100.0, 1000.0], [10_000.0]]
    assert [rates(stage, "sgd") for stage in found[1:3]] == [[0.01, 100.0], []]


def test_an_extension_has_all_decays_scales_and_seeds():
    found, _ = grown(study(), PEAKS)
    assert len(found[1].trials) == (2 + 2) * 2 * 2 * 2  # sgd gets one rate on either side, adamw two above
    assert {trial.role for trial in found[1].trials} == {"grid"}


def test_confirmation_is_at_the_best_cell_at_scale_1_on_fresh_seeds():
    found, _ = grown(study(), PEAKS)
    chosen = [
        (t.label, t.settings.hyperparameters["lr"], t.settings.hyperparameters["weight_decay"],
         t.settings.grad_scale, t.settings.seed, t.role)
        for t in found[-1].trials
    ]  # fmt: skip
    expected = [(label, PEAKS[label], 0.0, 1.0, seed, "confirm") for seed in (1000, 1001) for label in PEAKS]
    assert chosen == expected


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_wherever_it_was_stopped_it_goes_on_with_the_same_trials(share):
    found, rows = grown(study(), PEAKS)
    some = rows.sample(frac=share, random_state=0)
    again, after = grown(study(), PEAKS, some.to_dict("records"))
    assert [[t.trial_id for t in s.trials] for s in again] == [[t.trial_id for t in s.trials] for s in found]
    assert set(after["trial_id"]) == set(rows["trial_id"])


def test_an_unfinished_stage_decides_nothing():
    _, rows = grown(study(), PEAKS)
    grid = next(stages(study(), TASK, lambda: rows)).trials
    short = rows[rows["trial_id"] != grid[5].trial_id]
    assert [stage.name for stage in stages(study(), TASK, lambda: short)] == ["grid"]


def test_the_bound_ends_an_extension_and_is_said():
    found, _ = grown(study(extend={"decades": 2}), {"sgd": 1.0, "adamw": 1e5})
    notes = [note for stage in found for note in stage.notes]
    assert notes[-1].startswith("extend: adamw: best lr 1000 lies too near to the upper edge, and the bound")
    assert max(rate for stage in found for rate in rates(stage, "adamw")) == 1000.0
    assert found[-1].name == "confirmation"


def test_when_the_best_cell_moves_the_new_one_is_confirmed_and_the_old_one_hidden():
    spec = study(extend=False, optimizers={"sgd": {"lr": 1.0}})
    _, rows = grown(spec, {"sgd": 1.0})
    moved = study(extend=False, optimizers={"sgd": {"lr": 1.0}}, seeds=3)
    old = [
        {**record, "val_accuracy": 0.99} if record["lr"] == 10.0 else record
        for record in rows.to_dict("records")
    ]
    found, after = grown(moved, {"sgd": 1.0}, old)
    asked = rows_of([trial for stage in found for trial in stage.trials], after)
    assert set(asked.loc[asked["role"] == "confirm", "lr"]) == {10.0}
    assert len(after[after["role"] == "confirm"]) == 4  # the old ones are still stored
    error = confirmed_error(asked).iloc[0]
    assert (error["lr"], error["source"], error["n"]) == (10.0, "confirm", 2)
    assert error["test_error"] == pytest.approx(1 - (0.9 - 0.1 - 0.05))


def test_a_row_is_shown_under_the_name_and_role_that_the_study_gives_it_now():
    _, rows = grown(study(), PEAKS)
    renamed = study(
        extend=False, confirm=0, seeds=[1000], optimizers={"mine": {"optimizer": "sgd", "lr": [1.0]}}
    )
    trials = next(stages(renamed, TASK, lambda: rows)).trials
    asked = rows_of(trials, rows)
    assert list(asked["label"]) == ["mine"]
    assert list(asked["role"]) == ["grid"]
    assert list(asked.columns) == ROW_SCHEMA.names


def test_fresh_seeds_that_are_stored_are_shown_though_a_grid_is_to_grow_still():
    narrow = study(extend=False)
    _, rows = grown(narrow, {"sgd": 1.0, "adamw": 1.0})
    known = list(stages_of(study(), TASK, rows))
    assert [stage.name for stage in known] == ["grid", "extension 1", "confirmation"]
    assert [trial.trial_id for trial in known[-1].trials] == [
        trial.trial_id for trial in list(stages(narrow, TASK, lambda: rows))[-1].trials
    ]
    unconfirmed = rows[rows["role"] != "confirm"]
    assert [stage.name for stage in stages_of(study(), TASK, unconfirmed)] == ["grid", "extension 1"]


def test_a_grid_grows_for_a_rate_that_one_of_the_seeds_is_measured_from():
    spec = study(grid={"lr": {"decades": 4, "points": 5}, "weight_decay": [0]}, seeds=3)
    _, rows = grown(spec, {"sgd": 1.0, "adamw": 1.0})
    inside = [stage.name for stage in stages(spec, TASK, lambda: rows)]
    assert inside == ["grid", "confirmation"]
    # without seed 0 the best rate of adamw is a decade above, and only one rate is left beyond it
    there = (rows["label"] == "adamw") & (rows["lr"] == 10.0)
    rows["val_accuracy"] = rows["val_accuracy"].mask(there, 0.95).mask(there & (rows["seed"] == 0), 0.5)
    (note,) = next(stage for stage in stages(spec, TASK, lambda: rows) if stage.notes).notes
    assert note.startswith(
        "extend: adamw: lr 10, the best without one of the seeds, lies too near to the upper"
    )
