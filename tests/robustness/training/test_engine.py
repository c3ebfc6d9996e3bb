"""The choice of an engine: measured, kept, and never one that cannot train the task."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from robustness.optimizers import hyperparameters
from robustness.tasks import load
from robustness.training import Engine, TrialSettings, choose

SETTINGS = TrialSettings("adamw", {**hyperparameters("adamw"), "lr": 1e-3, "weight_decay": 0.0}, epochs=1)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


class Judging(nn.Module):
    """Looks at values to decide what to do, which a pack of models cannot."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        return self.layer(x) if self.layer.bias.sum() > 0 else self.layer(-x)


class Dropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 10)

    def forward(self, x):
        return nn.functional.dropout(self.layer(x), 0.5)


@pytest.mark.parametrize("model", [Judging, Dropping])
def test_a_model_that_cannot_be_trained_as_a_pack_is_trained_alone(model):
    task = replace(load("digits-mlp"), model=model)
    assert choose(task, [SETTINGS], "cpu").name == "sequential"
    with pytest.raises(ValueError, match="digits-mlp cannot be trained by the fused engine"):
        choose(task, [SETTINGS], "cpu", "fused")


@pytest.mark.parametrize("wanted", ["fused", "sequential"])
def test_what_is_wanted_is_chosen(wanted):
    engine = choose(load("digits-mlp"), [SETTINGS], "cpu", wanted)
    assert engine.name == wanted
    assert set(engine.measured) == {wanted}
    assert engine.measured[wanted] > 0


def test_the_faster_engine_is_chosen():
    engine = choose(load("digits-mlp"), [SETTINGS], "cpu")
    assert engine.measured[engine.name] == min(engine.measured.values())


def test_a_measurement_is_kept_for_the_next_time(cache):
    engine = choose(load("digits-mlp"), [SETTINGS], "cpu")
    (kept,) = cache.rglob("*.json")
    assert engine.measured.items() <= json.loads(kept.read_text()).items()
    kept.write_text(json.dumps({"sequential": 2.0, "fused": 1.0, "pack_size": 3}))
    known = Engine("fused", 3, False, {"sequential": 2.0, "fused": 1.0})
    assert choose(load("digits-mlp"), [SETTINGS], "cpu", workers=1000) == known
    kept.write_text("{damaged")
    assert choose(load("digits-mlp"), [SETTINGS], "cpu").pack_size != 3


def test_an_unknown_engine_is_a_clear_error():
    with pytest.raises(ValueError, match="must be one of auto, fused, sequential, but got 'fast'"):
        choose(load("digits-mlp"), [SETTINGS], "cpu", "fast")


@pytest.mark.parametrize(("count", "compile"), [(10_000, True), (10, False)])
def test_a_compiled_pack_is_chosen_only_where_much_is_ahead(cache, count, compile):
    choose(load("digits-mlp"), [SETTINGS], "cpu")
    (kept,) = cache.rglob("*.json")
    kept.write_text(json.dumps({"sequential": 4e-3, "fused": 2e-3, "compiled": 1e-3, "pack_size": 16}))
    engine = choose(load("digits-mlp"), [SETTINGS] * count, "cpu")
    assert (engine.name, engine.compile) == ("fused", compile)


def test_only_work_that_is_not_compiled_has_its_pack_sizes_measured(cache, monkeypatch):
    # a busy machine may find packs slower
    monkeypatch.setattr("robustness.training.engine.sequential_seconds", lambda *_: 1e-2)
    choose(load("digits-mlp"), [SETTINGS] * 100_000, "cpu")
    (kept,) = cache.rglob("*.json")
    long = json.loads(kept.read_text())
    assert long.keys() == {"sequential", "fused"}
    choose(load("digits-mlp"), [SETTINGS], "cpu")
    assert json.loads(kept.read_text()).items() > long.items()  # what is decided by it stays as it is


def test_a_choice_leaves_the_number_of_threads_and_the_generator_alone():
    torch.manual_seed(0)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    choose(load("digits-cnn"), [SETTINGS], "cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
