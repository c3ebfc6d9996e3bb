from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

Cells = Mapping[tuple[float, float], Sequence[float | str]]


def make_rows(cells: Cells, label: str = "adamw", **columns: object) -> pd.DataFrame:
    """One row per (lr, weight_decay) and seed; a value is a validation error, 'diverged' or 'failed'.

    The test error is the validation error plus 0.01; chance error is 0.9.
    """
    rows = []
    for (lr, decay), values in cells.items():
        for seed, value in enumerate(values):
            status = value if isinstance(value, str) else "completed"
            error = float("nan") if isinstance(value, str) else value
            rows.append(
                {
                    "task": "digits",
                    "optimizer": label.partition("(")[0],
                    "label": label,
                    "lr": lr,
                    "weight_decay": decay,
                    "grad_scale": 1.0,
                    "seed": seed,
                    "role": "grid",
                    "status": status,
                    "chance_accuracy": 0.1,
                    "val_accuracy": 1 - error,
                    "test_accuracy": 1 - error - 0.01,
                }
                | columns
            )
    return pd.DataFrame(rows)


HAND: Cells = {
    (0.01, 0.0): [0.30, 0.34],
    (0.01, 1.0): [0.30, 0.30],
    (0.1, 0.0): [0.10, 0.12],
    (0.1, 1.0): [0.12, 0.08],
    (1.0, 0.0): [0.50, 0.50],
    (1.0, 1.0): ["diverged", 0.70],
}


def noisy_plateaus(
    mean: np.ndarray, sd: float, *, labels: int, seeds: int, scales: Sequence[float] = (1.0,), rng: int = 0
) -> pd.DataFrame:
    """Independent studies, one a label, of one true surface (nine cells a decade of lr) and normal noise."""
    lrs = 10.0 ** (np.arange(len(mean)) / 9 - 4)
    names = ["label", "grad_scale", "lr", "seed"]
    index = pd.MultiIndex.from_product([map(str, range(labels)), scales, lrs, range(seeds)], names=names)
    rows = index.to_frame(index=False)
    error = mean[np.searchsorted(lrs, rows["lr"])] + np.random.default_rng(rng).normal(0, sd, len(rows))
    return rows.assign(
        task="plateau", optimizer=rows["label"], weight_decay=0.0, role="grid", status="completed",
        chance_accuracy=0.1, val_accuracy=1 - error, test_accuracy=1 - error,
    )  # fmt: skip


@pytest.fixture(scope="session")
def plateaus() -> Callable[..., pd.DataFrame]:
    return noisy_plateaus


@pytest.fixture(scope="session")
def rows() -> Callable[..., pd.DataFrame]:
    return make_rows


@pytest.fixture(scope="session")
def hand() -> pd.DataFrame:
    """AdamW on a 3 x 2 table and two seeds, whose results are worked out in the tests."""
    return make_rows(HAND)
