"""Character language models: the next character of a text from those before it.

The loss is cross-entropy in nats; divided by ln 2 it is in bits per character, by which these tasks are judged.
Accuracy is the share of next characters that are predicted correctly.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from robustness.tasks.metric import BITS_PER_CHARACTER
from robustness.tasks.splits.tensors import Split
from robustness.tasks.task import Task, cross_entropy

# Fractions of the text to train on and, next, to select hyperparameters on; the rest is the test split.
TRAIN, VALIDATION = 0.8, 0.1
# The option that says where the text is stored; its content is part of a task's version.
TEXT = "text"


class CharTransformer(nn.Module):
    """Causal transformer: normalization before attention and before a GELU layer four times as wide.

    Args:
        characters: The number of different characters.
        context: The largest number of characters it sees.
        width: The width of every layer.
        depth: The number of blocks.
        heads: The number of attention heads, a divisor of ``width``.
    """

    def __init__(self, characters: int, context: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, width)
        self.positions = nn.Embedding(context, width)
        nn.init.normal_(self.characters.weight, std=0.02)
        nn.init.normal_(self.positions.weight, std=0.02)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, characters)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return scores ``[N, T, characters]`` of what follows each of ``inputs`` ``[N, T]``."""
        hidden = self.characters(inputs) + self.positions.weight[: inputs.shape[-1]]
        return self.head(self.norm(self.blocks(hidden)))


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.layers_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.layers = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self._attended(self.attention_norm(hidden))
        return hidden + self.layers(self.layers_norm(hidden))

    def _attended(self, hidden: Tensor) -> Tensor:
        parts = self.query_key_value(hidden).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        query, key, value = (part.transpose(-3, -2) for part in parts)
        # written out, because torch's own attention has no batching rule for many models at once
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        seen = scores.masked_fill(later, -math.inf).softmax(-1) @ value
        return self.project(seen.transpose(-3, -2).flatten(-2))


class CharLSTM(nn.Module):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) over characters.

    Args:
        characters: The number of different characters.
        width: The width of the embedding and of every layer.
        depth: The number of layers.
    """

    def __init__(self, characters: int, width: int, depth: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(characters, width)
        self.layers = nn.LSTM(width, width, depth, batch_first=True)
        self.head = nn.Linear(width, characters)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return scores ``[N, T, characters]`` of what follows each of ``inputs`` ``[N, T]``."""
        return self.head(self.layers(self.characters(inputs))[0])


def char_transformer(
    *,
    text: str | None = None,
    train_size: int | None = None,
    context: int = 64,
    width: int = 128,
    depth: int = 2,
    heads: int = 4,
) -> Task:
    """Characters of a text (default: Python's own help topics), a small causal transformer, cross-entropy.

    Args:
        text: A file; by default Python's own help topics.
        train_size: The number of characters, from the first on, to train on; by default the first 80 %.
        context: The number of characters it sees at a time.
        width: The width of every layer.
        depth: The number of blocks.
        heads: The number of attention heads, a divisor of ``width``.
    """
    _check(context=context, width=width, depth=depth, heads=heads)
    if width % heads:
        raise ValueError(f"width must be a multiple of heads, but got width={width}, heads={heads}")
    return _task(
        "char-lm",
        text,
        train_size,
        context,
        lambda count: partial(CharTransformer, count, context, width, depth, heads),
    )


def char_lstm(
    *,
    text: str | None = None,
    train_size: int | None = None,
    context: int = 64,
    width: int = 128,
    depth: int = 1,
) -> Task:
    """Characters of a text (default: Python's own help topics), an LSTM, cross-entropy.

    Args:
        text: A file; by default Python's own help topics.
        train_size: The number of characters, from the first on, to train on; by default the first 80 %.
        context: The number of characters it sees at a time.
        width: The width of the embedding and of every layer.
        depth: The number of layers.
    """
    _check(context=context, width=width, depth=depth)
    return _task(
        "char-lm/lstm", text, train_size, context, lambda count: partial(CharLSTM, count, width, depth)
    )


def _check(**options: int) -> None:
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a positive integer, but got {value!r}")


def read_text(path: str | None) -> str:
    """Return the text in a file; by default ``pydoc_data.topics``, which comes with every CPython.

    Raises:
        ValueError: If there is no such file, or it is not UTF-8.
    """
    if path is None:
        from pydoc_data.topics import topics

        return "\n".join(topics[name] for name in sorted(topics))
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"text: {path} cannot be read: {error}") from error


Text = TypeVar("Text", str, list[int])


def stretches(text: Text) -> tuple[Text, Text, Text]:
    """Return the first 80 %, the next 10 % and the last 10 % of ``text``: train, validation, test."""
    first, second = int(TRAIN * len(text)), int((TRAIN + VALIDATION) * len(text))
    return text[:first], text[first:second], text[second:]


def _task(
    name: str,
    path: str | None,
    train_size: int | None,
    context: int,
    model: Callable[[int], Callable[[], nn.Module]],
) -> Task:
    text = read_text(path)
    parts = stretches(text)
    if len(parts[2]) <= context + 1 or len(parts[1]) <= context + 1:
        least = math.ceil((context + 2) / VALIDATION)
        raise ValueError(
            f"text must have at least {least} characters for context={context}, but has {len(text)}"
        )
    if train_size is not None:
        _check(train_size=train_size)
        if not context < train_size <= len(parts[0]):
            raise ValueError(
                f"train_size must be from {context + 1} to {len(parts[0])} characters, but got {train_size}"
            )
    parts = parts[0][:train_size], *parts[1:]
    characters = sorted(set(text))
    number = {character: index for index, character in enumerate(characters)}
    train, val, test = (windows([number[character] for character in part], context) for part in parts)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    source = path or f"pydoc_data.topics of Python {sys.version_info.major}.{sys.version_info.minor}"
    return Task(
        name=name,
        train=train,
        val=val,
        test=test,
        model=model(len(characters)),
        loss=cross_entropy,
        correct=share_correct,
        version=f"1-{digest}",
        places=(TEXT,),
        metric=BITS_PER_CHARACTER,
        data=f"{len(text):,} characters, {len(characters)} different ones, of {source} (SHA-256 {digest}…)",
    )


def windows(numbers: list[int], context: int) -> Split:
    """Cut a sequence into ``[N, context]`` without overlap; targets are the inputs shifted by one."""
    count = (len(numbers) - 1) // context
    whole = torch.tensor(numbers[: count * context + 1])
    return Split(whole[:-1].view(count, context), whole[1:].view(count, context))


def share_correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the share ``[N]`` of each example's characters at which the largest of ``outputs`` is right."""
    return (outputs.argmax(-1) == targets).float().mean(-1)
