"""Fine-tuning of a causal language model that lies on this machine: in full, or adapters of low rank (LoRA).

The loss is the cross-entropy of the next token in nats; its exponential is the perplexity, by which the task is
judged. transformers and peft, the extra ``text``, are imported when the task is made. The model is never sent
anywhere: every process loads it from its folder, and nothing is asked of a network.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustness.tasks.language.text import share_correct, stretches, windows
from robustness.tasks.metric import PERPLEXITY
from robustness.tasks.storage import content_key
from robustness.tasks.task import Task, cross_entropy

# The options that say where the model and the text are stored; their content is part of the task's version.
MODEL, DATA = "model", "data"
# Of a model's folder, what transformers reads.
READ = (".bin", ".jinja", ".json", ".model", ".safetensors", ".txt")
LINES, WHOLE = (".jsonl", ".json"), (".txt",)


def finetune(*, model: str, data: str, lora: int = 0, block: int = 128) -> Task:
    """A causal language model of yours and a text of yours, fine-tuned in full or by LoRA, perplexity.

    Args:
        model: The folder of a causal model and its tokenizer, as transformers' ``save_pretrained`` writes both.
        data: A ``.txt`` file, or a ``.jsonl`` or ``.json`` file whose every line is an object with a ``text``.
        lora: The rank of the adapters that are trained, of which each layer's output is added as it is; 0 trains all
            weights.
        block: Tokens of a window.

    Raises:
        ValueError: If an option is not valid, files or transformers are missing, or the text has too few tokens.
    """
    for name, value, least in (("lora", lora, 0), ("block", block, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an integer from {least} on, but got {value!r}")
    for name, path in ((MODEL, model), (DATA, data)):
        if not isinstance(path, str):
            raise ValueError(f"{name} must be a path, but got {path!r}")
    folder, file = (Path(path).expanduser().resolve() for path in (model, data))
    texts = _texts(file)
    make = Pretrained(str(folder), _key(folder), lora)
    _needed("transformers")
    if lora:
        _needed("peft")
    tokens, digest = make.tokens(texts, block), hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    if any(len(part) <= block for part in stretches(tokens)):
        raise ValueError(
            f"data: {file} must have at least {10 * (block + 2)} tokens for block={block}, so that each split has a "
            f"window, but has {len(tokens)}"
        )
    train, val, test = (windows(part, block) for part in stretches(tokens))
    return Task(
        name="finetune",
        train=train,
        val=val,
        test=test,
        model=make,
        loss=cross_entropy,
        correct=share_correct,
        version=f"1-{make.key}-{digest}",
        places=(MODEL, DATA),
        metric=PERPLEXITY,
        data=f"{len(tokens):,} tokens of {file} (SHA-256 {digest}…), model {folder} (content {make.key})",
    )


class Logits(nn.Module):
    """A causal language model that gives its scores alone.

    Args:
        network: Of transformers or peft.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Tensor:
        """Return scores ``[N, T, vocabulary]`` of what follows each of ``inputs`` ``[N, T]``."""
        return self.network(input_ids=inputs, use_cache=False).logits


@dataclass(frozen=True)
class Pretrained:
    """Loads the model anew at each call, the adapters' weights drawn from torch's default generator.

    Attributes:
        folder: Where it lies.
        key: Identifies its content, which must be the same on every machine.
        lora: As for ``finetune``.
    """

    folder: str
    key: str
    lora: int

    def __call__(self) -> nn.Module:
        """Return the model in float32, in training mode.

        Raises:
            ValueError: If this machine does not hold it, or its files are not those of a whole causal model.
        """
        if (found := _key(Path(self.folder))) != self.key:
            raise ValueError(
                f"model: {self.folder} on this machine is another model than the study's (content {found}, not "
                f"{self.key}): copy the same files to the same place"
            )
        with _quiet():
            from transformers import AutoModelForCausalLM

            network, told = self._read(AutoModelForCausalLM, dtype=torch.float32, output_loading_info=True)
            if missing := sorted([*told["missing_keys"], *map(str, told["mismatched_keys"])]):
                raise ValueError(
                    f"model: {self.folder} has no fitting weights for {len(missing)} parameters of "
                    f"{type(network).__name__}, such as {missing[0]}: save the whole causal model there"
                )
            if self.lora:
                from peft import LoraConfig, get_peft_model

                adapters = LoraConfig(
                    r=self.lora, lora_alpha=self.lora, target_modules="all-linear", task_type="CAUSAL_LM"
                )
                network = get_peft_model(network, adapters)
        return Logits(network).train()

    def tokens(self, texts: list[str], block: int) -> list[int]:
        """Return all texts as token numbers; where there are several, the tokenizer's end of text follows each.

        Raises:
            ValueError: If ``block`` is more than the model takes, or the tokenizer has more tokens than it knows.
        """
        with _quiet():
            from transformers import AutoConfig, AutoTokenizer

            config = self._read(AutoConfig).get_text_config()
            most = getattr(config, "max_position_embeddings", None) or block
            if block > most:
                raise ValueError(
                    f"block must be at most the {most} positions of model {self.folder}, but got {block}"
                )
            tokenizer = self._read(AutoTokenizer)
            numbered = tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
        end = [] if len(texts) == 1 or tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        tokens = [token for numbers in numbered for token in (*numbers, *end)]
        if max(tokens, default=0) >= config.vocab_size:
            raise ValueError(
                f"model: the tokenizer in {self.folder} is another model's: it gives token {max(tokens)}, but the "
                f"model knows {config.vocab_size}"
            )
        return tokens

    def _read(self, kind: Any, **options: Any) -> Any:
        """Return what one of transformers' classes reads from the folder."""
        try:
            return kind.from_pretrained(self.folder, local_files_only=True, **options)
        except Exception as error:  # what is wrong with files shows as almost anything
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(f"model: {self.folder} cannot be read by {kind.__name__}: {why}") from error


def _texts(file: Path) -> list[str]:
    """Return the text of a file, or that of each of its lines of JSON.

    Raises:
        ValueError: If it cannot be read, or a line has no text.
    """
    if file.suffix not in (*WHOLE, *LINES):
        raise ValueError(f"data: must be a {', '.join(WHOLE + LINES)} file, but got {file}")
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"data: {file} cannot be read: {error}") from error
    if file.suffix in WHOLE:
        return [content]
    # by line feeds alone: other ends of lines may stand inside a text
    lines = enumerate(content.split("\n"), 1)
    return [_text_of(line, f"data: {file}, line {number}") for number, line in lines if line.strip()]


def _text_of(line: str, place: str) -> str:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{place}: is no JSON: {error}") from error
    if not isinstance(value, dict) or not isinstance(text := value.get("text"), str):
        raise ValueError(f'{place}: must be an object with a "text", but got {line:.60}')
    return text


def _key(folder: Path) -> str:
    """Return a digest of what transformers reads from a model's folder.

    Raises:
        ValueError: If there is no such folder, or it holds no model.
    """
    if not folder.is_dir():
        raise ValueError(f"model: there is no folder {folder} on this machine ({platform.node()})")
    if not (folder / "config.json").is_file():
        raise ValueError(f"model: {folder} holds no config.json, as transformers' save_pretrained writes it")
    files = sorted(path for path in folder.iterdir() if path.suffix in READ and path.is_file())
    return content_key(files, folder, "finetune")


def _needed(package: str) -> None:
    """Import a package of the extra.

    Raises:
        ValueError: If it is not installed, or does not fit the others that are.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        with _quiet():
            importlib.import_module(package)
    except ImportError as error:
        raise ValueError(
            f"finetune needs {package}: pip install 'ada2ms-robustness[text]' ({' '.join(str(error).split())})"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep warnings, progress bars and logs of transformers and peft from the screen.

    Its logs and bars stay off: later calls of the model would write too.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "transformers" in sys.modules:
            from transformers.utils import logging

            logging.set_verbosity_error()
            logging.disable_progress_bar()
        yield
