"""Bits per character, the usual measure of language models of characters."""

from __future__ import annotations

import math

import pandas as pd


def bits_per_character(trials: pd.DataFrame) -> pd.DataFrame:
    """Add bits per character, `loss / ln 2`, beside the losses in nats of the tasks `char-lm` and `char-lm/…`.

    Args:
        trials: With the columns task, train_loss, val_loss and test_loss.

    Returns:
        `trials` with the columns train_bits, val_bits and test_bits; missing for other tasks.
    """
    text = trials["task"].str.partition("/")[0] == "char-lm"
    splits = ("train", "val", "test")
    return trials.assign(
        **{f"{split}_bits": (trials[f"{split}_loss"] / math.log(2)).where(text) for split in splits}
    )
