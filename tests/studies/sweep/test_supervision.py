"""A worker at its limits: it names who broke them, reports what is finished, and ends."""

import mmap
import threading

import pytest

from studies.planning.plan import Pack
from studies.store.rows import Finished
from studies.sweep import supervision
from studies.sweep.runner import Runner
from studies.sweep.supervision import Limits, resident_bytes, supervised


@pytest.fixture
def work(plan, monkeypatch):
    monkeypatch.setattr(supervision, "LOOK_SECONDS", 0.01)
    return plan()


class Hanging(Runner):
    """Finishes the first ``done`` trials of a pack and hangs over the others, together or one by one."""

    def __init__(self, work, done, together):
        super().__init__(work.task, "cpu", work.engine)
        self.done, self.together, self.free = done, together, threading.Event()

    def each(self, pack, *, alone=False, watch=None):
        for trial in pack.trials[: self.done]:
            watch.begin([trial])
            watch.end()
            yield Finished([{"trial_id": trial.trial_id}])
        watch.begin(pack.trials[self.done :] if self.together else [pack.trials[self.done]])
        self.free.wait(60)
        watch.end()


def last_report(runner, work, limits, first=True):
    try:
        *_, last = supervised(runner, Pack("pack", work.trials), limits, alone=False, first=first)
    finally:
        runner.free.set()
    return last


def test_without_limits_all_is_reported_and_the_worker_goes_on(work):
    runner = Runner(work.task, "cpu", work.engine)
    reports = list(supervised(runner, Pack("pack", work.trials), Limits(), alone=False, first=True))
    rows = [row for report in reports for row in report.finished.rows]
    assert [row["trial_id"] for row in rows] == [trial.trial_id for trial in work.trials]
    assert all(report.end is None for report in reports)


def test_a_trial_that_hangs_is_failed_and_what_was_finished_before_it_is_kept(work):
    last = last_report(Hanging(work, 2, together=False), work, Limits(seconds=0.1))
    assert [row["trial_id"] for row in last.finished.rows] == [trial.trial_id for trial in work.trials[:3]]
    failed = last.finished.rows[2]
    assert (failed["status"], failed["reason"]) == ("failed", "time limit: not finished after 0.1 s")
    assert failed["wall_seconds"] > 0.1
    assert last.end.kind == "retired"


def test_trials_that_hang_together_are_parted_and_none_is_failed(work):
    last = last_report(Hanging(work, 0, together=True), work, Limits(seconds=0.02))
    assert (last.finished.rows, last.end.kind) == ([], "split")


@pytest.mark.parametrize(("done", "first", "failed"), [(0, True, 1), (0, False, 0), (1, True, 0)])
def test_memory_is_blamed_on_a_trial_in_a_fresh_process_alone(work, done, first, failed):
    last = last_report(Hanging(work, done, together=False), work, Limits(memory=1.0), first)
    reasons = [row["reason"] for row in last.finished.rows if "reason" in row]
    assert len(reasons) == failed
    assert last.end.reason.startswith("memory: its worker held ")
    assert last.end.kind == "retired"


def test_an_error_of_the_runner_itself_is_raised_where_it_can_be_seen(work):
    class Broken(Runner):
        def each(self, pack, **options):
            raise RuntimeError("no rows can be made")
            yield

    runner = Broken(work.task, "cpu", work.engine)
    with pytest.raises(RuntimeError, match="no rows can be made"):
        list(supervised(runner, Pack("pack", work.trials), Limits(), alone=False, first=True))


def test_memory_that_is_held_is_counted():
    before = resident_bytes()
    with mmap.mmap(-1, 50_000_000) as held:  # memory of its own: what was freed before may be given out again
        held.write(b"x" * len(held))
        assert resident_bytes() - before > 0.8 * len(held)
