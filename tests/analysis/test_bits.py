import math

import pandas as pd
import pytest

from analysis import bits_per_character


def test_bits_per_character_are_losses_over_the_logarithm_of_two_for_texts_alone():
    losses = {"train_loss": math.log(4), "val_loss": math.log(8), "test_loss": math.log(2) / 2}
    trials = pd.DataFrame([{"task": task, **losses} for task in ("char-lm", "char-lm/lstm", "digits-mlp")])
    found = bits_per_character(trials)[["train_bits", "val_bits", "test_bits"]]
    assert (
        found.iloc[:2].to_numpy().tolist() == [[pytest.approx(2), pytest.approx(3), pytest.approx(0.5)]] * 2
    )
    assert found.iloc[2].isna().all()
