"""Character language models: what they are trained on, and that they know more than counts of characters."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robustness.optimizers import hyperparameters
from robustness.tasks import Split, load
from robustness.tasks.language.text import read_text, stretches
from robustness.training import PackTrainer, Schedule, Training, TrialSettings, choose, train


def bits(text, seen, order):
    """Return bits per character of a model of ``order`` characters, mixed with the shorter ones (Witten-Bell).

    ``p(c | h) = (n(hc) + d(h) p(c | h')) / (n(h) + d(h))`` with ``h'`` the history less its first character and
    ``d(h)`` the number of different characters after it; before all histories, all characters are equally likely.
    """
    tables = [Counter(seen[i : i + n + 1] for i in range(len(seen) - n)) for n in range(order)]
    totals, kinds = Counter(), Counter()
    for table in tables:
        for gram, count in table.items():
            totals[gram[:-1]] += count
            kinds[gram[:-1]] += 1
    uniform = 1 / len(set(seen + text))

    def probability(gram):
        shorter = probability(gram[1:]) if len(gram) > 1 else uniform
        history = gram[:-1]
        if not totals[history]:
            return shorter
        return (tables[len(gram) - 1][gram] + kinds[history] * shorter) / (totals[history] + kinds[history])

    grams = (text[max(0, i - order + 1) : i + 1] for i in range(len(text)))
    return -sum(math.log2(probability(gram)) for gram in grams) / len(text)


@pytest.fixture(scope="module")
def baselines():
    training, _, test = stretches(read_text(None))
    return bits(test, training, 1), bits(test, training, 3)


def test_baselines_by_hand():
    # a: 3 of 4, b: 1 of 4, two kinds; p(a) = (3 + 2 / 2) / 6, p(b) = (1 + 2 / 2) / 6
    assert bits("ab", "aaab", 1) == pytest.approx(-(math.log2(4 / 6) + math.log2(2 / 6)) / 2)


@pytest.mark.parametrize(
    ("name", "options", "lr", "epochs"),
    [("char-lm", {"width": 64, "depth": 1, "heads": 2}, 1e-2, 3), ("char-lm/lstm", {}, 5e-3, 2)],
)
def test_a_short_training_beats_counts_of_characters(name, options, lr, epochs, baselines):
    settings = TrialSettings(
        "adamw",
        {**hyperparameters("adamw"), "lr": lr, "weight_decay": 0.0},
        epochs=epochs,
        batch_size=16,
        schedule=Schedule("cosine", warmup=0.05),
        training=Training(evaluate_every=epochs),
    )
    reached = train(load(name, **options), settings).metrics["test_loss"] / math.log(2)
    unigram, trigram = baselines
    assert reached < trigram < unigram


def test_windows_are_stretches_in_their_order_and_targets_come_one_later(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("abcde" * 20)
    task = load("char-lm", text=str(path), context=4)
    assert [len(split) for split in task.splits.values()] == [19, 2, 2]
    assert task.train.inputs[:2].tolist() == [[0, 1, 2, 3], [4, 0, 1, 2]]
    assert task.train.targets[:2].tolist() == [[1, 2, 3, 4], [0, 1, 2, 3]]
    assert task.test.inputs[0].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["char-lm", "char-lm/lstm"])
def test_a_shorter_training_stretch_leaves_the_others_and_the_characters_alone(tmp_path, name):
    path = tmp_path / "text.txt"
    path.write_text("abcde" * 20)
    whole, task = load(name, text=str(path), context=4), load(name, text=str(path), context=4, train_size=9)
    assert task.train.inputs.tolist() == [[0, 1, 2, 3], [4, 0, 1, 2]]
    assert torch.equal(task.val.inputs, whole.val.inputs)
    assert torch.equal(task.test.inputs, whole.test.inputs)
    assert len(task.model().characters.weight) == 5
    for size in (4, 81):
        with pytest.raises(ValueError, match=f"train_size must be from 5 to 80 characters, but got {size}"):
            load(name, text=str(path), context=4, train_size=size)


def test_the_identity_is_the_text_and_not_where_it_lies(tmp_path):
    for name, content in (("a", "xy" * 600), ("b", "xy" * 600), ("c", "xz" * 600)):
        (tmp_path / name).write_text(content)
    one, two, other = (load("char-lm", text=str(tmp_path / name)) for name in "abc")
    assert one.version == two.version != other.version
    assert one.places == ("text",)
    assert f"1,200 characters, 2 different ones, of {tmp_path / 'a'} (SHA-256 " in one.data


def test_the_transformer_sees_nothing_of_what_comes():
    task = load("char-lm")
    model = task.model()
    inputs = task.train.inputs[:2].clone()
    before = model(inputs)
    inputs[:, 40:] = 0
    after = model(inputs)
    torch.testing.assert_close(after[:, :40], before[:, :40])
    assert not torch.allclose(after[:, 40:], before[:, 40:])


def test_accuracy_is_the_share_of_characters():
    task = load("char-lm")
    targets = torch.tensor([[1, 2, 3, 4], [4, 3, 2, 1]])
    outputs = torch.nn.functional.one_hot(targets, 5).float()
    outputs[0, 0] = 0  # the first of the characters is named instead, which is not the wanted one
    assert task.correct(outputs, targets).tolist() == [0.75, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "nowhere.txt"}, "text: nowhere.txt cannot be read"),
        ({"context": 100_000}, "text must have at least 1000020 characters for context=100000, but has"),
        ({"heads": 3}, "width must be a multiple of heads, but got width=128, heads=3"),
        ({"depth": 0}, "depth must be a positive integer, but got 0"),
    ],
)
def test_a_wrong_option_is_one_clear_line(options, message):
    with pytest.raises(ValueError, match=message):
        load("char-lm", **options)


def test_a_file_that_is_not_text_is_one_clear_line(tmp_path):
    path = Path(tmp_path / "image.png")
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match="text: .*image.png cannot be read: 'utf-8' codec"):
        load("char-lm", text=str(path))


def test_transformers_train_as_a_pack_and_recurrent_networks_one_by_one_with_the_reason_said():
    settings = [
        TrialSettings(
            "sgd", {**hyperparameters("sgd"), "lr": 0.1 * seed, "weight_decay": 0.0}, seed=seed, epochs=1
        )
        for seed in (1, 2)
    ]
    task = load("char-lm", width=8, depth=1, heads=2)
    few = {name: Split(split.inputs[:80], split.targets[:80]) for name, split in task.splits.items()}
    task = replace(task, **few)
    together = PackTrainer(task, dtype=torch.float64).train(settings)
    for trial, result in zip(settings, together, strict=True):
        alone = train(task, trial, dtype=torch.float64).metrics
        assert result.metrics == pytest.approx(alone, rel=1e-9)
    engine = choose(replace(load("char-lm/lstm", width=8), **few), settings, "cpu")
    assert (engine.name, engine.reason[:10]) == ("sequential", "no packs: ")
