"""Fine-tuning a causal language model from disk: what is trained, on which tokens, and what is refused."""

import json
import math
import shutil
import sys
from collections import Counter

import pytest
import torch

from robustness.optimizers import hyperparameters
from robustness.tasks import PERPLEXITY, load
from robustness.training import TrialSettings, train
from robustness.training.checks.factory import check_factory
from robustness.training.checks.probe import hidden_state
from robustness.training.evaluation.constant import with_nothing
from robustness.training.randomness import initialized_model
from robustness.training.steps import decayed, trained
from robustness.training.trial import Trainer


def made(language, network="llama", **options):
    values = {"model": str(language / network), "data": str(language / "text.txt"), "block": 16}
    return load("finetune", **{**values, **options})


def settings(optimizer, lr=1e-2, **changes):
    values = {**hyperparameters(optimizer), "lr": lr, "weight_decay": 0.0}
    return TrialSettings(optimizer, values, **{"epochs": 2, "batch_size": 8, **changes})


@pytest.mark.parametrize(("model", "lora"), [("llama", 0), ("gpt2", 4)])
@pytest.mark.parametrize("optimizer", ["adamw", "ada2ms"])
def test_perplexity_falls_in_full_and_by_lora(language, model, lora, optimizer):
    result = train(made(language, model, lora=lora), settings(optimizer, lr=0.05 if lora else 0.01))
    assert result.status == "completed"
    at_first = math.exp(result.init_loss)
    for split in ("train", "val", "test"):
        perplexity = result.metrics[f"{split}_metric"]
        assert perplexity == pytest.approx(math.exp(result.metrics[f"{split}_loss"]), rel=1e-12)
        assert perplexity < 0.9 * at_first


def test_lora_trains_its_adapters_and_nothing_else(language):
    from safetensors.torch import load_file

    trainer = Trainer(made(language, "gpt2", lora=2), settings("adamw"), "cpu", torch.float32)
    before = {name: value.detach().clone() for name, value in trainer.model.named_parameters()}
    trainer.epoch()
    saved = load_file(language / "gpt2" / "model.safetensors")
    frozen = 0
    for name, value in trainer.model.named_parameters():
        moved = not torch.equal(value, before[name])
        assert moved == value.requires_grad == ("lora_" in name), name
        if not moved:
            own = name.removeprefix("network.base_model.model.").replace("base_layer.", "")
            assert torch.equal(value, saved[own])
            frozen += 1
    assert frozen == len(saved)
    assert {len(value) for name, value in before.items() if "lora_A" in name} == {2}


def test_seeds_share_the_saved_weights_and_draw_their_own_adapters(language):
    full, adapted = made(language), made(language, lora=2)
    for task, same in ((full, True), (adapted, False)):
        check_factory(task)
        one, other = (initialized_model(task, seed) for seed in (0, 1))
        pairs = list(zip(trained(one), trained(other), strict=True))
        assert all(torch.equal(*pair) for pair in pairs) == same
        assert hidden_state(task, one) is None  # so that a checkpoint holds all of it


def test_windows_are_consecutive_tokens_and_no_two_splits_share_one(language):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(language / "gpt2")
    tokens = tokenizer((language / "text.txt").read_text())["input_ids"]
    task, at, count = made(language, "gpt2", block=8), 0, len(tokens)
    for split, end in zip(task.splits.values(), (int(0.8 * count), int(0.9 * count), count), strict=True):
        number = (end - at - 1) // 8
        assert split.inputs.flatten().tolist() == tokens[at : at + 8 * number]
        assert split.targets.flatten().tolist() == tokens[at + 1 : at + 8 * number + 1]
        at = end


def test_lines_of_json_are_texts_that_end_with_the_tokenizers_end(language, tmp_path):
    from transformers import AutoTokenizer

    texts = ["the lazy dog\u2028runs", "the fox"] * 20
    (tmp_path / "lines.jsonl").write_text(
        "\n\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts), encoding="utf-8"
    )
    tokenizer = AutoTokenizer.from_pretrained(language / "gpt2")
    tokens = [token for text in texts for token in (*tokenizer(text)["input_ids"], 1)]
    inputs = made(language, data=str(tmp_path / "lines.jsonl"), block=4).train.inputs.flatten().tolist()
    assert inputs == tokens[: len(inputs)]
    assert inputs.count(1) > 20


def test_the_identity_is_what_the_files_hold_and_not_where_they_lie(language, tmp_path):
    shutil.copytree(language / "llama", tmp_path / "copy")
    shutil.copy(language / "text.txt", tmp_path / "other.txt")
    one = made(language)
    again = load("finetune", model=str(tmp_path / "copy"), data=str(tmp_path / "other.txt"), block=16)
    assert one.version == again.version != made(language, "gpt2").version
    (tmp_path / "other.txt").write_text((language / "text.txt").read_text() + "the end")
    changed = load("finetune", model=str(tmp_path / "copy"), data=str(tmp_path / "other.txt"), block=16)
    assert changed.version != one.version
    assert set(one.places) == {"model", "data"}
    (tmp_path / "copy" / "config.json").write_text((language / "gpt2" / "config.json").read_text())
    with pytest.raises(ValueError, match="is another model than the study's .*: copy the same files"):
        again.model()
    shutil.rmtree(tmp_path / "copy")
    with pytest.raises(ValueError, match=f"model: there is no folder {tmp_path / 'copy'} on this machine"):
        again.model()


def test_knowing_nothing_is_the_perplexity_of_how_often_tokens_occur(language):
    task = made(language)
    counts = Counter(task.train.targets.flatten().tolist())
    shares = [count / sum(counts.values()) for count in counts.values()]
    perplexity = math.exp(-sum(share * math.log(share) for share in shares))
    assert with_nothing(task).chance_metric == pytest.approx(perplexity, rel=1e-12)
    assert task.chance_accuracy == max(shares)


def test_perplexity_by_hand():
    assert PERPLEXITY.derived(math.log(7), 0.5) == pytest.approx(7)
    huge = PERPLEXITY.derived(1e5, None)
    assert 1e100 < huge < huge**2 < math.inf
    assert math.isnan(PERPLEXITY.derived(math.nan, None))


def test_matrices_decay_conv1d_among_them_and_the_dropout_of_the_config_is_on(language):
    model = initialized_model(made(language, "gpt2"), 0)
    matrices = decayed(model)
    names = {name for name, value in model.named_parameters() if id(value) in matrices}
    blocks = {name for name in names if ".h." in name}
    parts = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert blocks == {f"network.transformer.h.{at}.{part}.weight" for at in (0, 1) for part in parts}
    # the head is a matrix, and shares its weight with the embedding of the tokens; positions are none
    assert names - blocks == {"network.transformer.wte.weight"}
    inputs = torch.arange(8)[None]
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))


def test_nothing_is_written_to_the_screen(language, capfd):
    task = made(language, "gpt2", lora=2)
    task.model()(task.train.inputs[:1])
    assert capfd.readouterr() == ("", "")


def without(folder, name):
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    weights.pop(name)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_a_model_that_lacks_weights_is_refused_and_not_filled_with_noise(language, tmp_path):
    shutil.copytree(language / "llama", tmp_path / "headless")
    without(tmp_path / "headless", "lm_head.weight")
    task = made(language, model=str(tmp_path / "headless"))
    with pytest.raises(
        ValueError, match="no fitting weights for 1 parameters of LlamaForCausalLM, such as lm_h"
    ):
        task.model()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "nowhere"}, "model: there is no folder .*nowhere on this machine"),
        ({"model": "."}, "model: .* holds no config.json"),
        ({"model": 3}, "model must be a path, but got 3"),
        ({"data": "nothing.txt"}, "data: .*nothing.txt cannot be read: .*No such file"),
        ({"data": "image.png"}, "data: must be a .txt, .jsonl, .json file, but got .*image.png"),
        ({"data": "keys.jsonl"}, 'keys.jsonl, line 3: must be an object with a "text", but got {"txt": 1}'),
        ({"data": "broken.jsonl"}, "broken.jsonl, line 1: is no JSON: "),
        ({"data": "short.txt"}, "short.txt must have at least 180 tokens for block=16.*, but has 2"),
        ({"block": 33}, "block must be at most the 32 positions of model .*llama, but got 33"),
        ({"block": 0}, "block must be an integer from 1 on, but got 0"),
        ({"lora": -1}, "lora must be an integer from 0 on, but got -1"),
        ({"lora": True}, "lora must be an integer from 0 on, but got True"),
        ({"model": "no-tokenizer"}, "model: .*no-tokenizer cannot be read by AutoTokenizer"),
        ({"model": "small"}, "model: the tokenizer in .*small is another model's: it gives token .* knows 9"),
    ],
)
def test_a_wrong_option_is_one_clear_line(language, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.jsonl").write_text('{"text": "the"}\n\n{"txt": 1}\n')
    (tmp_path / "broken.jsonl").write_text('{"text": \n')
    (tmp_path / "short.txt").write_text("the quick")
    for name in ("no-tokenizer", "small"):
        shutil.copytree(language / "llama", tmp_path / name)
    for file in (tmp_path / "no-tokenizer").glob("tokenizer*"):
        file.unlink()
    config = json.loads((tmp_path / "small" / "config.json").read_text())
    (tmp_path / "small" / "config.json").write_text(json.dumps({**config, "vocab_size": 9}))
    with pytest.raises(ValueError, match=message) as refused:
        made(language, **options)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("package", "lora"), [("transformers", 0), ("peft", 2)])
def test_a_missing_package_is_named_with_the_extra_that_has_it(language, monkeypatch, package, lora):
    monkeypatch.setitem(sys.modules, package, None)  # as Python itself marks what cannot be imported
    needs = rf"finetune needs {package}: pip install 'ada2ms-robustness\[text\]'"
    with pytest.raises(ValueError, match=needs):
        made(language, lora=lora)
