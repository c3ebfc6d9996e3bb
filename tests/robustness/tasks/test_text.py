"""Character language models: what they are trained on, and that they know more than counts of characters."""

import math
from collections import Counter
from pathlib import Path

import pytest
import torch

from robustness.optimizers import hyperparameters
from robustness.tasks import load
from robustness.tasks.text import read_text, stretches
from robustness.training import Schedule, TrialSettings, train


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


@pytest.mark.parametrize(("name", "lr", "epochs"), [("char-lm", 3e-3, 4), ("char-lm/lstm", 1e-2, 4)])
def test_a_short_training_beats_counts_of_characters(name, lr, epochs, baselines):
    settings = TrialSettings(
        "adamw",
        {**hyperparameters("adamw"), "lr": lr, "weight_decay": 0.0},
        epochs=epochs,
        batch_size=32,
        schedule=Schedule("cosine", warmup=0.05),
    )
    reached = train(load(name), settings).metrics["test_loss"] / math.log(2)
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
    outputs = torch.nn.functional.one_hot(task.test.targets[:3], 103).float()
    outputs[0, :16] = 0  # the first character is named instead, which is none of the wanted
    assert task.correct(outputs, task.test.targets[:3]).tolist() == [0.75, 1.0, 1.0]


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
