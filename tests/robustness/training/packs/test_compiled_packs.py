"""Compiled packs: the numbers of single models, whatever the company and whoever compiled."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from robustness.optimizers import hyperparameters
from robustness.optimizers.fast.compiling import compiler_found
from robustness.tasks import Split, Task, load
from robustness.training import Checkpoint, PackTrainer, TrialSettings, train
from robustness.training.graphs import building
from robustness.training.graphs.identity import tells_all
from robustness.training.packs.context import SLAB

pytestmark = pytest.mark.skipif(not compiler_found("cpu"), reason="needs a C++ compiler")


def network():
    """Normalize batches, so that there are buffers."""
    return torch.nn.Sequential(
        torch.nn.Linear(8, 12), torch.nn.BatchNorm1d(12), torch.nn.ReLU(), torch.nn.Linear(12, 3)
    )


def task():
    generator = torch.Generator().manual_seed(0)
    sizes = (40, 30, 25)
    parts = [Split(torch.randn(size, 8, generator=generator), torch.arange(size) % 3) for size in sizes]
    return Task("compiled", *parts, network)


def trials(count=5, **changes):
    """Trials of Ada2MS; the first has a rate by which it diverges."""
    values = {**hyperparameters("ada2ms"), "mixing": 0.3, "weight_decay": 0.01}
    rates = [1e30, *(3e-3 * (1 + row) for row in range(1, count))]
    return [
        TrialSettings(
            "ada2ms",
            {**values, "lr": rate},
            **{"seed": 0, "grad_scale": 2.0, "epochs": 4, "batch_size": 8, **changes},
        )
        for rate in rates
    ]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """A cache folder with the graphs of ``trials``."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        PackTrainer(task(), dtype=torch.float64, compile=True).train(trials())
    return folder


@pytest.fixture(autouse=True)
def in_use(cache, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))


def numbers(results):
    return [(result.status, result.stopped_step, result.metrics, result.curves) for result in results]


def test_compiled_packs_give_what_trials_give_alone():
    together = PackTrainer(task(), dtype=torch.float64, compile=True).train(trials())
    alone = [train(task(), settings, dtype=torch.float64) for settings in trials()[1:]]
    (diverged,) = PackTrainer(task(), dtype=torch.float64).train(
        trials()[:1]
    )  # near overflow, rounding decides
    assert [one.status for one in together] == ["diverged", *["completed"] * 4]
    for one, other in zip(together, [diverged, *alone], strict=True):
        assert (one.status, one.stopped_step) == (other.status, other.stopped_step)
        for here, there in zip(one.curves, other.curves, strict=True):
            assert here.loss == pytest.approx(there.loss, rel=1e-9)
            assert here.accuracy == there.accuracy


def test_a_trial_has_the_same_numbers_to_the_last_bit_in_any_company():
    everyone = numbers(PackTrainer(task(), dtype=torch.float64, compile=True).train(trials(SLAB + 5)))
    trainer = PackTrainer(task(), dtype=torch.float64, compile=True)
    for some in (slice(1, 2), slice(3, 9), slice(SLAB - 1, SLAB + 5)):
        assert numbers(trainer.train(trials(SLAB + 5)[some])) == everyone[some]


def test_a_compiled_pack_goes_on_from_its_checkpoint_bit_for_bit(tmp_path):
    trainer = PackTrainer(task(), dtype=torch.float64, compile=True)
    whole = numbers(trainer.train(trials()))
    kept = Checkpoint(tmp_path / "pack.pt", 2)
    saved = []

    class Stopped(Exception):
        pass

    def save(state):
        Checkpoint.save(kept, state)
        saved.append(state["epoch"])
        raise Stopped

    stopping = Checkpoint(tmp_path / "pack.pt", 2)
    object.__setattr__(stopping, "save", save)
    with pytest.raises(Stopped):
        trainer.train(trials(), stopping)
    assert saved == [2]
    assert numbers(trainer.train(trials(), kept)) == whole


def test_what_is_compiled_needs_no_compiler_and_no_child(monkeypatch):
    monkeypatch.setattr(building, "build", lambda *_: pytest.fail("compiled once more"))
    trainer = PackTrainer(task(), dtype=torch.float64, compile=True)
    trainer.prepare(trials())
    assert len(trainer.train(trials())) == 5


class Weighing(torch.nn.Module):
    """A loss with a number that nothing shows."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def forward(self, outputs, targets):
        return self.weight * torch.nn.functional.cross_entropy(outputs, targets)


def test_tasks_that_differ_in_what_no_text_shows_do_not_share_a_graph():
    settings = trials()[1:2]
    for weight in (1.0, 1.1):
        given = replace(task(), loss=Weighing(weight))
        assert not tells_all(given)
        (together,) = PackTrainer(given, dtype=torch.float64, compile=True).train(settings)
        alone = train(given, settings[0], dtype=torch.float64)
        assert together.metrics["test_loss"] == pytest.approx(alone.metrics["test_loss"], rel=1e-9)


def test_only_plain_layers_and_known_losses_tell_all():
    assert tells_all(load("digits-mlp"))
    assert tells_all(load("digits-cnn"))
    assert not tells_all(task())  # batch normalization may be frozen, by a mode that its text does not show
    plain = load("digits-mlp")
    assert not tells_all(replace(plain, loss=partial(torch.nn.functional.cross_entropy, label_smoothing=0.1)))
    assert not tells_all(replace(plain, loss=lambda outputs, targets: outputs.square().mean()))
    assert not tells_all(replace(plain, correct=lambda outputs, targets: targets == 0))
