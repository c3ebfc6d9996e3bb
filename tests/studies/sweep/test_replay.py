"""Replay: a stored trial, trained again, gives what it gave, or it is said that it does not."""

import pytest

from studies import StoreError, StudySpec, load, run
from studies.spec.errors import InputError
from studies.store.store import Store
from studies.sweep.replay import ACCURACY_TOLERANCE, LOSS_TOLERANCE, replay


def tiny(**changes):
    settings = {
        "name": "tiny",
        "task": "digits-mlp",
        "budget": {"epochs": 2, "batch_size": 64},
        "confirm": 1,
        "grid": {"lr": [1e-2, 1e20], "weight_decay": [0.0]},
        "optimizers": {"sgd": {}, "ada2ms": {}},
    }
    return StudySpec(**{**settings, **changes})


@pytest.fixture(scope="module", params=["sequential", "fused"])
def stored(request, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param) / "tiny"
    run(tiny(), out=out, workers=0, engine=request.param)
    return request.param, out


def test_every_stored_trial_comes_back(stored):
    engine, out = stored
    for row in load(out).to_dict("records"):
        again = replay(out, row["trial_id"][:9])
        assert again.trial_id == row["trial_id"]
        assert again.equal, again.table
        assert again.how == f"{engine}, cpu"
        assert set(again.table["tolerance"]) == (
            {0.0} if engine == "sequential" else {0.0, LOSS_TOLERANCE, ACCURACY_TOLERANCE}
        )


def test_a_number_that_does_not_come_back_is_seen(stored, tmp_path):
    _, out = stored
    rows = load(out)
    row = rows[rows["status"] == "completed"].iloc[0]
    other = Store(tmp_path / "other")
    for name in ("study.yaml", "task.json"):
        other.write_file(name, (out / name).read_bytes())
    changed = rows.assign(val_accuracy=rows["val_accuracy"] - 0.02).astype(object)
    other.append(changed.where(changed.notna(), None).to_dict("records"), [])
    again = replay(other.location, row["trial_id"])
    assert not again.equal
    assert list(again.table.loc[~again.table["equal"].astype(bool), "number"]) == ["val_accuracy"]


def test_an_id_must_begin_one_trials(stored):
    _, out = stored
    trial_id = load(out)["trial_id"].iloc[0]
    typo = trial_id[:-1] + ("0" if trial_id[-1] != "0" else "1")
    with pytest.raises(
        InputError, match=rf"{typo}.*begins the id of no trial in .* \(did you mean '{trial_id}'\?\)"
    ):
        replay(out, typo)
    with pytest.raises(InputError, match="must begin the id of one trial, but begins those of .* and 2 more"):
        replay(out, "")


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(StoreError, match="holds no study"):
        replay(tmp_path, "a")


def test_a_trial_that_the_study_no_longer_means_is_named(tmp_path):
    first = run(tiny(confirm=0), out=tmp_path, workers=0, engine="sequential").rows
    run(tiny(confirm=0, optimizers={"ada2ms": {}}), out=tmp_path, workers=0, engine="sequential")
    gone = first.loc[first["label"] == "sgd", "trial_id"].iloc[0]
    with pytest.raises(StoreError, match=r"is stored, but .*study.yaml, .* no longer asks for it"):
        replay(tmp_path, gone)
