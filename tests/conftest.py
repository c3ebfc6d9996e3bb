"""What all tests share: how they are spread over processes, and a folder of their own for measurements."""

import os
import sys
from pathlib import Path

import pytest
import torch
from xdist.scheduler import LoadGroupScheduling

TESTS = Path(__file__).parent
# Every process imports torch and draws figures; above so many the tests with Ray, one after the other, take longest.
MOST_PROCESSES, BYTES_EACH = 8, 2 * 2**30
# What takes longest begins first, so that all processes end together.
LONG = [
    TESTS / name
    for name in (
        "studies/test_study_search.py",
        "studies/endtoend/test_growing.py",
        "studies/endtoend/test_own_optimizers.py",
        "robustness/training/test_models.py",
        "studies/endtoend/test_changed_code.py",
        "studies/test_study_run.py",
        "robustness/tasks/language/test_text.py",
        "test_published.py",
        "studies/spec/test_verdict.py",
        "analysis/test_invariances.py",
        "studies/endtoend/test_metrics.py",
        "studies/reports/test_figures.py",
        "faults/test_faults_store.py",
        "studies/store/test_provenance.py",
        "analysis/figures/test_gallery.py",
        "robustness/training/test_flatness.py",
        "robustness/training/packs/test_pack.py",
        "studies/endtoend/test_measuring.py",
        "studies/reports/test_report.py",
        "robustness/tasks/test_two_minima.py",
    )
]

# As workers do: threads that wait for each other on cores that others use too take a hundred times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")


class ByFile(LoadGroupScheduling):
    """A file's tests go to one process, which makes its fixtures once; so do the tests of a group."""

    def _split_scope(self, nodeid):
        return super()._split_scope(nodeid).partition("::")[0]


def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


def pytest_xdist_auto_num_workers(config):
    """A process per core; files and tests that are named run in this one, without waiting for others to start."""
    if not any(Path(argument).is_dir() for argument in config.args):
        return 0
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    processes = min(os.cpu_count() or 1, MOST_PROCESSES, memory // BYTES_EACH)
    return processes if processes > 1 else 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests with Ray form a group, so that no two compete, and the long ones come first."""
    for item in items:
        if item.get_closest_marker("ray"):
            item.add_marker(pytest.mark.xdist_group("ray"))
    items.sort(key=turn)


def turn(item):
    """Return when a test's turn comes: with the Ray that tests share, with its own, then without, by ``LONG``."""
    if ray := item.get_closest_marker("ray"):
        return -2 if ray.kwargs.get("shared") else -1
    return LONG.index(item.path) if item.path in LONG else len(LONG)


@pytest.fixture(autouse=True)
def _modules_of_a_test_end_with_it(tmp_path_factory):
    """Forget modules that a test wrote and imported: another one's may have the same name."""
    before = set(sys.modules)
    yield
    folder = str(tmp_path_factory.getbasetemp())
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder):
            del sys.modules[name]


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory):
    """Keep measurements out of the user's cache, and each process's apart.

    What one process measures must not change the engine of another's studies between two runs that are compared.
    """
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def language(tmp_path_factory):
    """Save two tiny causal models with their tokenizer, ``llama`` and ``gpt2``, beside ``text.txt``."""
    for package in ("transformers", "peft"):
        pytest.importorskip(package, reason="the extra text is not installed")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
    from transformers import PreTrainedTokenizerFast as Fast

    place = tmp_path_factory.mktemp("language")
    text = "the quick brown fox jumps over the lazy dog and runs away from it again. " * 60
    (place / "text.txt").write_text(text)
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    special = ["<unk>", "<end>"]
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=special, show_progress=False)
    made.train_from_iterator([text], trainer)
    tokenizer = Fast(tokenizer_object=made, unk_token="<unk>", eos_token="<end>")
    shared = {"vocab_size": len(tokenizer), "bos_token_id": 1, "eos_token_id": 1}
    llama = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=32, **shared,
    )  # fmt: skip
    gpt2 = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=32, **shared)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for name, model in (("llama", LlamaForCausalLM(llama)), ("gpt2", GPT2LMHeadModel(gpt2))):
            model.save_pretrained(place / name)
            tokenizer.save_pretrained(place / name)
    return place
