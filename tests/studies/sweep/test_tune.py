"""What Ray Tune is told and tells: losses read from Ray's messages, errors that reach the user as they are."""

from types import SimpleNamespace

import pytest

from studies import StudySpec, run
from studies.spec.errors import SweepError
from studies.store.rows import Finished
from studies.store.store import Store
from studies.sweep import tune
from studies.sweep.interruption import Interruption
from studies.sweep.supervision import Limits, WorkerReport
from studies.sweep.turns import Loss, Turn, Turns


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("ray.exceptions.ActorDiedError: The actor died because its node has died.", "outside"),
        ("The node was terminated: preempted", "outside"),
        ("Task was killed due to the node running low on memory.", "memory"),
        ("The actor died unexpectedly before finishing this task.", "died"),
        ("The actor never ran - it was cancelled before it started running.", "outside"),
        ("ValueError: something else", "outside"),
        ("", "outside"),
    ],
)
def test_a_loss_is_told_by_rays_message(message, kind):
    assert tune._loss(message).kind == kind


@pytest.fixture
def collect(plan):
    """What collects from two workers, which have a turn of three trials each."""
    work, stored = plan(), []
    turns = Turns([Turn("one", (0, 1, 2)), Turn("two", (3, 4, 5))])
    made = tune._Collect(work, "cpu", turns, stored.append, Interruption())
    made.stored = stored
    turns.take("a")
    turns.take("b")
    return made


def report(collect, numbers, end=None):
    rows = [{"trial_id": collect.work.trials[number].trial_id} for number in numbers]
    return {"report": WorkerReport(Finished(rows), end)}


def test_a_trial_that_two_workers_report_is_handed_on_once(collect):
    worker = SimpleNamespace(trial_id="a")
    collect.on_trial_result(0, [], worker, report(collect, [0, 1]))
    collect.on_trial_result(0, [], worker, report(collect, [1]))
    collect.on_trial_result(0, [], worker, report(collect, [1, 2]))
    assert [len(finished.rows) for finished in collect.stored] == [2, 1]
    assert collect.turns.finished == {0, 1, 2}


def test_a_worker_that_said_why_it_ends_is_believed_before_rays_message(collect):
    worker = SimpleNamespace(trial_id="a", error_file="is not read")
    collect.on_trial_result(0, [], worker, report(collect, [0], Loss("time limit", "retired")))
    collect.on_trial_error(0, [], worker)
    assert collect.turns.waiting[0].trials == (1, 2)
    assert collect.turns.waiting[0].deaths == 0


def test_a_worker_of_other_versions_ends_the_sweep_in_one_line(collect):
    worker = SimpleNamespace(trial_id="a", error_file="is not read")
    collect.on_trial_result(0, [], worker, report(collect, [], Loss("node a has other versions", "versions")))
    collect.on_trial_error(0, [], worker)
    with pytest.raises(SweepError, match="^node a has other versions$"):
        collect.on_step_end(0, [])


def test_an_error_of_the_store_waits_for_the_end_of_the_step(collect):
    def full(finished):
        raise SweepError("the disk is full")

    collect.on_finished = full
    for name, number in (("a", 0), ("b", 3)):  # the second must not take the first one's place
        collect.on_trial_result(0, [], SimpleNamespace(trial_id=name), report(collect, [number]))
        full_error = collect.error
    assert collect.error is full_error
    with pytest.raises(SweepError, match="^the disk is full$"):
        collect.on_step_end(0, [])


def test_a_worker_reports_its_versions_before_it_reads_anything_of_the_sweep(monkeypatch):
    monkeypatch.setattr(tune, "shared_versions", lambda: {"torch": "2"})
    setup = tune.Setup("s", None, None, "cpu", None, Limits(), None, versions={"torch": "1"}, own=b"")
    (only,) = tune._reports(Turn("one", (0,)), setup)
    assert only.end.kind == "versions"
    assert "torch 1 here and 2 there" in only.end.reason


def test_a_worker_that_cannot_load_a_users_code_says_so(monkeypatch):
    monkeypatch.setattr(tune, "shared_versions", dict)
    setup = tune.Setup("s", None, None, "cpu", None, Limits(), None, versions={}, own=b"cnowhere\nThing\n.")
    monkeypatch.setattr(tune.ray.util, "get_node_ip_address", lambda: "1.2.3.4")
    (only,) = tune._reports(Turn("one", (0,)), setup)
    reason = "node 1.2.3.4 cannot load what the study names: ModuleNotFoundError: No module named 'nowhere'"
    assert only.end == Loss(reason, "versions")


def test_with_ray_an_error_of_the_store_reaches_the_user_as_it_is(tmp_path, monkeypatch):
    def full(self, *tables):
        raise SweepError("the disk is full")

    monkeypatch.setattr(Store, "append", full)
    settings = {"task": "digits-mlp", "budget": {"epochs": 1, "batch_size": 64}, "optimizers": {"sgd": {}}}
    spec = StudySpec(name="tiny", grid={"lr": [0.1], "weight_decay": [0.0]}, **settings)
    with pytest.raises(SweepError, match="^the disk is full$"):
        run(spec, out=tmp_path, workers=1, engine="sequential")
