"""Turns: whatever becomes of workers, each trial ends once, and a trial that kills them is found."""

from hypothesis import given
from hypothesis import strategies as st

from studies.sweep.turns import OUTSIDE_LOSSES, TRIAL_DEATHS, Loss, Turn, Turns


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.5
        return self.now


def next_turn(turns):
    while (turn := turns.take("w")) is None:
        pass
    return turn


def test_a_lost_worker_costs_only_what_was_not_finished():
    turns = Turns([Turn("p", (0, 1, 2, 3))], Clock())
    turns.take("w")
    assert turns.finish([0, 1]) == [0, 1]
    turns.lose("w", Loss("killed", "died"))
    assert next_turn(turns).trials == (2, 3)
    assert turns.finish([1, 2, 3]) == [2, 3]  # what comes twice counts once
    turns.end("w")
    assert turns.done


def test_it_waits_longer_after_every_loss():
    clock = Clock()
    turns = Turns([Turn("p", (0,))], clock)
    waits = []
    for _ in range(TRIAL_DEATHS - 1):
        turn = next_turn(turns)
        turns.lose("w", Loss("killed", "died"))
        waits.append(turns.waiting[0].not_before - clock.now)
    assert waits == [1.0, 2.0]
    assert turn.deaths == 1


@given(st.integers(1, 40), st.data())
def test_the_trial_that_kills_its_workers_is_found_and_no_other(count, data):
    killer = data.draw(st.integers(0, count - 1))
    kind = data.draw(st.sampled_from(["died", "memory"]))
    turns = Turns([Turn("p", tuple(range(count)))], Clock())
    given_up = []
    while not turns.done:
        turn = next_turn(turns)
        if killer in turn.trials:
            given_up += turns.lose("w", Loss("killed", kind))
        else:
            turns.finish(turn.trials)
            turns.end("w")
    assert given_up == [killer]
    assert turns.finished == set(range(count))
    assert turns.problems == []


@given(st.lists(st.sampled_from(["died", "memory", "outside", "retired", "split", "end"]), max_size=30))
def test_no_trial_is_lost_whatever_happens_to_workers(kinds):
    turns = Turns([Turn("p", (0, 1, 2, 3, 4))], Clock())
    given_up = []
    for kind in kinds:
        if turns.done:
            break
        turn = next_turn(turns)
        turns.finish(turn.trials[:1])
        if kind == "end":
            turns.end("w")
        else:
            given_up += turns.lose("w", Loss("gone", kind))
    waiting = [trial for turn in turns.waiting for trial in turn.trials]
    assert sorted([*waiting, *turns.finished]) == [0, 1, 2, 3, 4]
    assert set(given_up) <= turns.finished


def test_a_pack_without_a_node_to_run_on_is_a_problem_and_not_its_trials_fault():
    turns = Turns([Turn("p", (0, 1))], Clock())
    for _ in range(OUTSIDE_LOSSES):
        next_turn(turns)
        assert turns.lose("w", Loss("its node went away", "outside")) == []
    assert turns.done
    assert turns.finished == set()
    assert turns.problems == ["pack p: 2 trials not run: its node went away"]
