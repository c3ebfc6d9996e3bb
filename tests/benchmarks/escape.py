"""Escape from a sharp minimum against the curvature ratio, and Kramers' rule on more runs than a test can have.

    python tests/benchmarks/escape.py [--seeds 256] [--epochs 8] [--out escape]

Prints the mean escape times of plain SGD beside Kramers' rule and the exact mean first passage times (by
quadrature), the fitted slope of their logarithm over barrier/temperature with its interval, and writes escape.png:
the share of runs that end in the flat basin, against the curvature ratio, for several optimizers at one learning
rate each.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import analysis
from robustness.optimizers import hyperparameters
from robustness.tasks import load
from robustness.tasks.two_minima import basin_widths, escape_time, potential
from robustness.training import PackTrainer, TrialSettings

STEPS, NOISE = 512, math.sqrt(20)
BARRIERS = (1.75, 2.25, 2.75, 3.25, 3.75)
RATIOS = (1.0, 3.0, 10.0, 30.0)
LABELS = {"ada2ms": "ada2ms (our reimplementation)"}
# Learning rates: a temperature of about 0.4 for SGD; the other rules divide, or multiply, the noise by its own size.
RATES = {"sgd": 0.04, "adam": 0.18, "ada2ms": 0.18, "invadam": 0.009}


def trials(optimizer: str, rate: float, seeds: int, epochs: int) -> list[TrialSettings]:
    """Return one trial per seed; SGD without momentum."""
    given = {**hyperparameters(optimizer), "lr": rate, "weight_decay": 0.0}
    given |= {"momentum": 0.0} if optimizer == "sgd" else {}
    return [TrialSettings(optimizer, given, seed=seed, epochs=epochs, batch_size=1) for seed in range(seeds)]


def escapes(ratio: float, settings: Iterable[TrialSettings]) -> pd.DataFrame:
    """Train and return ``analysis.escape_table`` by label, lr and ratio."""
    listed = list(settings)
    results = PackTrainer(load("two-minima", ratio=ratio, noise=NOISE, examples=STEPS)).train(listed)
    rows = pd.DataFrame(
        {
            "trial_id": range(len(listed)),
            "label": [LABELS.get(one.optimizer, one.optimizer) for one in listed],
        }
    )
    rows = rows.assign(lr=[one.hyperparameters["lr"] for one in listed], ratio=ratio)
    points = [(i, p.epoch, p.split, p.accuracy) for i, result in enumerate(results) for p in result.curves]
    curves = pd.DataFrame(points, columns=["trial_id", "epoch", "split", "accuracy"])
    return analysis.escape_table(analysis.escape_times(rows, curves), ["label", "lr", "ratio"])


def first_passage(ratio: float, temperature: float) -> float:
    """Return the exact mean time from the sharp minimum to the flat one, by quadrature."""
    import torch

    sharp, flat = basin_widths(ratio, 1.0)
    x = np.linspace(-2.2 * sharp, flat, 40001)
    height = potential(torch.as_tensor(x), ratio, 1.0).numpy() / temperature
    inside = np.cumsum(np.exp(-height)) * (x[1] - x[0])
    return float((np.exp(height) * inside)[x >= -sharp].sum() * (x[1] - x[0]) / temperature)


def kramers(seeds: int, epochs: int) -> None:
    """Print what plain SGD does at several temperatures."""
    rates = [2 / (barrier * NOISE**2) for barrier in BARRIERS]
    table = escapes(4.0, [one for rate in rates for one in trials("sgd", rate, seeds, epochs)])
    table["barrier"] = 2 / (table["lr"] * NOISE**2)
    table["measured"] = table["time"] * STEPS * table["lr"]
    table["kramers"] = [escape_time(4.0, 1.0, 1 / barrier) for barrier in table["barrier"]]
    table["exact"] = [first_passage(4.0, 1 / barrier) for barrier in table["barrier"]]
    print(table[["barrier", "lr", "runs", "escaped", "measured", "kramers", "exact"]].round(4).to_string())
    print(analysis.kramers_slope(table["barrier"], table["measured"], table["escaped"]).round(3).to_dict())


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", default="escape")
    arguments = parser.parse_args()
    kramers(arguments.seeds, arguments.epochs)
    tables = [
        escapes(ratio, trials(name, rate, arguments.seeds, arguments.epochs))
        for ratio in RATIOS
        for name, rate in RATES.items()
    ]
    table = pd.concat(tables, ignore_index=True)
    print(table.round(3).to_string())
    with analysis.use_theme():
        figure = Figure(figsize=(6.4, 2.8), layout="constrained")
        for ax, y in zip(figure.subplots(1, 2), ("share", "time"), strict=True):
            analysis.draw_escape(table, x="ratio", y=y, ax=ax)
            ax.set_xlabel("sharp curvature over flat curvature")
        figure.axes[0].legend(fontsize="small", frameon=False)
        analysis.save_figure(figure, arguments.out)


if __name__ == "__main__":
    main()
