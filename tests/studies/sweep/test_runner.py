"""A worker's work: every trial of a pack gets a row, whatever its code does."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from robustness.training import PackTrainer
from studies.planning.plan import Pack
from studies.store.rows import Finished
from studies.sweep.runner import Runner

from .conftest import FUSED, SEQUENTIAL


def run(plan, **options):
    runner = Runner(plan.task, "cpu", plan.engine)
    finished = Finished()
    for part in runner.run(Pack("pack", plan.trials), **options):
        finished += part
    return finished


def by_id(finished):
    return {row["trial_id"]: row for row in finished.rows}


@pytest.mark.parametrize("engine", [SEQUENTIAL, FUSED], ids=["sequential", "fused"])
def test_every_trial_has_a_row_and_those_that_did_not_diverge_a_curve(plan, engine):
    work = plan(engine)
    finished = run(work)
    rows = by_id(finished)
    assert list(rows) == [trial.trial_id for trial in work.trials]
    assert [row["status"] for row in rows.values()] == ["completed", "completed", "diverged"] * 2
    assert {row["engine"] for row in rows.values()} == {engine.name}
    assert {row["pack_id"] for row in rows.values()} == {"pack"}
    assert {name for name, row in rows.items() if row["status"] == "completed"} <= {
        point["trial_id"] for point in finished.curves
    }


def wild(outputs, targets):
    if outputs.detach().abs().max() > 1e3:
        raise ValueError("too large")
    return cross_entropy(outputs, targets)


def test_an_error_of_a_trials_own_code_is_its_result_with_the_place_and_stops_no_other(plan):
    rows = by_id(run(plan(loss=wild))).values()
    assert [row["status"] for row in rows] == ["completed", "completed", "failed"] * 2
    (reason,) = {row["reason"] for row in rows if row["reason"]}
    assert reason.startswith("ValueError: too large (test_runner.py:")


def refusing(limit, error):
    """Return ``PackTrainer.train`` that raises ``error`` for more than ``limit`` trials at once."""
    train = PackTrainer.train

    def refuse(self, trials, *others):
        if len(trials) > limit:
            raise error
        return train(self, trials, *others)

    return refuse


@pytest.mark.parametrize(
    ("limit", "error", "engine", "said"),
    [
        (
            3,
            torch.OutOfMemoryError("no room"),
            "fused",
            "out of memory with 6 trials at once: going on with 3",
        ),
        (3, RuntimeError("can't allocate memory"), "fused", "going on with 3"),
        (0, MemoryError(), "sequential", "trained one by one: MemoryError"),
        (3, ValueError("odd"), "sequential", "trained one by one: ValueError: odd"),
    ],
)
def test_a_block_is_halved_where_memory_runs_out_and_trained_one_by_one_where_it_fails(
    plan, monkeypatch, caplog, limit, error, engine, said
):
    work = plan(FUSED)
    expected = by_id(run(plan()))
    monkeypatch.setattr(PackTrainer, "train", refusing(limit, error))
    rows = by_id(run(work))
    assert said in caplog.text
    assert {row["engine"] for row in rows.values()} == {engine}
    assert {name: row["status"] for name, row in rows.items()} == {
        name: row["status"] for name, row in expected.items()
    }


def test_rows_leave_in_time_and_on_ctrl_c_what_is_finished_leaves_first(plan, monkeypatch):
    work = plan()
    runner = Runner(work.task, "cpu", work.engine)
    parts = list(runner.run(Pack("pack", work.trials), every_seconds=0))
    assert [len(part.rows) for part in parts] == [1] * 6

    def interrupted(pack):
        yield Finished([{"trial_id": "a"}])
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "each", interrupted)
    left = runner.run(Pack("pack", work.trials), every_seconds=1000)
    assert next(left).rows == [{"trial_id": "a"}]
    with pytest.raises(KeyboardInterrupt):
        next(left)


def test_whoever_watches_is_told_what_trains_together(plan):
    class Heard(list):
        def begin(self, trials):
            self.append(len(trials))

        def end(self):
            self.append("end")

    for engine, alone, expected in [
        (FUSED, False, [6, "end"]),
        (FUSED, True, [1, "end"] * 6),
        (SEQUENTIAL, False, [1, "end"] * 6),
    ]:
        work, heard = plan(engine), Heard()
        runner = Runner(work.task, "cpu", engine)
        list(runner.each(Pack("pack", work.trials), alone=alone, watch=heard))
        assert heard == expected
