"""A store that a run goes on with: what is to be trained again counts as missing until it is stored again."""

import pytest

from studies.spec.errors import InputError
from studies.store.resume import ResumedStore
from studies.store.rows import Finished
from studies.store.store import Store


def row(trial_id, status, **values):
    return {"trial_id": trial_id, "label": "adamw", "status": status, **values}


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "s")
    rows = [
        row("a", "completed", lambda_max=2.0),
        row("b", "completed"),
        row("c", "failed"),
        row("d", "diverged"),
    ]
    store.append(rows, [])
    return store


@pytest.mark.parametrize(
    ("options", "again"),
    [
        ({}, set()),
        ({"retry": ["failed"]}, {"c"}),
        ({"retry": ["failed", "diverged"]}, {"c", "d"}),
        ({"flatness": "all"}, {"b"}),
        ({"flatness": "selected", "retry": ["diverged"]}, {"d"}),
    ],
)
def test_what_is_to_be_trained_again_counts_as_missing_and_stays_in_the_folder(store, options, again):
    resumed = ResumedStore(store, **options)
    assert resumed.trial_ids() == {"a", "b", "c", "d"} - again
    assert set(resumed.rows()["trial_id"]) == {"a", "b", "c", "d"} - again
    assert store.trial_ids() == {"a", "b", "c", "d"}


def test_a_trial_that_was_stored_again_counts_whatever_became_of_it(store):
    sent = []
    resumed = ResumedStore(store, ["failed"], send=sent.extend)
    resumed.append(Finished([row("c", "failed", reason="again")]))
    assert resumed.trial_ids() == {"a", "b", "c", "d"}
    assert resumed.rows().set_index("trial_id").loc["c", "reason"] == "again"
    assert [one["trial_id"] for one in sent] == ["c"]


def test_rows_that_cannot_be_stored_are_not_sent_on(store, monkeypatch):
    sent = []
    resumed = ResumedStore(store, ["failed"], send=sent.extend)
    monkeypatch.setattr(store, "append", lambda *tables: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        resumed.append(Finished([row("c", "completed")]))
    assert (sent, resumed.again) == ([], {"c"})


def test_only_trials_without_a_result_can_be_retried(store):
    with pytest.raises(InputError, match="--retry: completed: must be failed or diverged"):
        ResumedStore(store, ["completed"])
