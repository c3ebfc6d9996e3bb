"""Compiling ahead: what a study will need is compiled beside it, what it has compiled is known."""

import time

import pytest

from robustness.optimizers.fast.compiling import compiler_found
from robustness.tasks import load
from robustness.training import Engine
from studies.planning.extension import fresh_seeds
from studies.planning.plan import cut, likely_confirmation, plan
from studies.planning.workers import Workers
from studies.spec.study import StudySpec
from studies.sweep.ahead import compile_ahead

pytestmark = pytest.mark.skipif(not compiler_found("cpu"), reason="needs a C++ compiler")
COMPILED = Engine("fused", 16, True, {"fused": 1e-3})


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spec = StudySpec(
        name="ahead",
        task="digits-mlp",
        budget={"epochs": 1, "batch_size": 64},
        seeds=[0],
        grid={"lr": [1e-3, 1e-2], "weight_decay": [0.0]},
        optimizers={"adamw": {}},
        confirm=2,
    )
    return plan(spec, set())


def test_a_child_compiles_and_the_next_study_starts_compiled(work, tmp_path):
    packs = cut(work.trials, COMPILED)
    said = compile_ahead(work.task, packs, COMPILED, Workers(2))
    assert said == "compiled packs from about the 15th second on"
    deadline = time.monotonic() + 120
    while compile_ahead(work.task, packs, COMPILED, Workers(0)) != "compiled packs from the start":
        assert time.monotonic() < deadline, list(tmp_path.rglob("graphs/*"))
        time.sleep(0.2)


def test_nothing_is_begun_without_workers_of_this_machine_or_for_packs_that_are_not_compiled(work, tmp_path):
    packs = cut(work.trials, COMPILED)
    for workers in (Workers(0), Workers(2, "auto")):
        assert compile_ahead(work.task, packs, COMPILED, workers) is not None
    plain = Engine("fused", 16, False, {"fused": 1e-3})
    assert compile_ahead(work.task, packs, plain, Workers(2)) is None
    assert compile_ahead(load("digits-mlp"), (), COMPILED, Workers(2)) is None
    assert not list(tmp_path.rglob("graphs/*"))


def test_fresh_seeds_are_packs_of_several_seeds(work):
    compiled = type(work)(work.spec, work.task, work.trials, work.packs, COMPILED)
    seeds = [[trial.settings.seed for trial in pack.trials] for pack in likely_confirmation(compiled)]
    assert sorted(seed for pack in seeds for seed in pack) == list(fresh_seeds(work.spec.seeds, 2))
