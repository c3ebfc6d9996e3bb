"""Plans: every trial that is not stored, once, in packs."""

import pytest

from robustness.training import Engine
from studies.planning.plan import SEQUENTIAL_PACK, cut, plan
from studies.spec.presets import load_spec

SEQUENTIAL, FUSED = Engine("sequential", 1, False, {}), Engine("fused", 4, False, {})


@pytest.fixture(scope="module")
def trials():
    return plan(load_spec("mixing"), set(), engine="sequential").trials


@pytest.mark.parametrize("engine", [SEQUENTIAL, FUSED])
def test_packs_hold_every_trial_once_and_keep_to_their_size(trials, engine):
    packs = cut(trials, engine)
    held = [trial.trial_id for pack in packs for trial in pack.trials]
    assert sorted(held) == sorted(trial.trial_id for trial in trials)
    assert max(len(pack.trials) for pack in packs) <= max(SEQUENTIAL_PACK, engine.pack_size)
    assert len({pack.pack_id for pack in packs}) == len(packs)


def test_fused_packs_are_of_one_optimizer_and_one_seed_where_that_fills_them(trials):
    for pack in cut(trials, FUSED):
        assert len({trial.label for trial in pack.trials}) == 1
        assert len({trial.settings.seed for trial in pack.trials}) == 1


def test_seeds_share_a_pack_where_one_would_not_fill_it(trials):
    few = [trial for trial in trials if trial.settings.hyperparameters["lr"] in (0.1, 0.01)][:30]
    packs = cut([t for t in few if t.label == few[0].label], Engine("fused", 64, False, {}))
    assert len(packs) == 2


def test_stored_trials_are_not_planned_again():
    everything = plan(load_spec("smoke"), set())
    stored = {trial.trial_id for trial in everything.trials[:7]}
    work = plan(load_spec("smoke"), stored)
    assert work.pending == 11
    assert {pack.pack_id for pack in work.packs} <= {pack.pack_id for pack in everything.packs}
    assert stored.isdisjoint(trial.trial_id for pack in work.packs for trial in pack.trials)
