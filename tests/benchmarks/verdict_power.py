"""The error rates of the verdict, its power and the coverage of its fractions, by simulation.

    python tests/benchmarks/verdict_power.py            # the tables of docs/verdict.md, about a minute of CPU
    python tests/benchmarks/verdict_power.py --quick    # a twentieth of the repetitions

Values per seed are drawn directly and decided by the code that decides studies
(`analysis.judgement.noninferiority.run_test`); only the last table draws whole trials. Everything is
seeded: the same command prints the same tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.judgement.endpoints import endpoints, sample
from analysis.judgement.noninferiority import Margins, Part, preserved, run_test
from analysis.judgement.seeds_needed import seeds_needed
from analysis.statistics.welch import Array, Sample, combine, difference

ALPHA, MARGIN = 0.05, Margins().robustness
WORKLOADS, SEEDS = (1, 2, 3, 6), (3, 5, 10)
Draw = Callable[[np.random.Generator, Array], Array]


class Truth(NamedTuple):
    """One part: true means and standard deviations of candidate, better and worse reference."""

    means: tuple[float, float, float]
    sds: tuple[float, float, float]
    spread: float = 1.0  # of the standard deviations, from the first workload to the last


# the candidate is worse by exactly what may count as kept: the margin, or half the gap where that is less
AT_THE_MARGIN = {
    "equal noise": Truth((MARGIN, 0, 0.5), (0.02, 0.02, 0.02)),
    "candidate 2 x noisier": Truth((MARGIN, 0, 0.5), (0.04, 0.02, 0.02)),
    "candidate 5 x noisier": Truth((MARGIN, 0, 0.5), (0.05, 0.01, 0.02)),
    "reference 5 x noisier": Truth((MARGIN, 0, 0.5), (0.01, 0.05, 0.02)),
    "workloads 10 x apart in noise": Truth((MARGIN, 0, 0.5), (0.02, 0.02, 0.02), 10.0),
    "gap twice the margin": Truth((MARGIN, 0, 2 * MARGIN), (0.02, 0.02, 0.02)),
    "gap twice the margin, other reference noisy": Truth((MARGIN, 0, 2 * MARGIN), (0.01, 0.01, 0.06)),
    "gap twice the margin, candidate noisy": Truth((MARGIN, 0, 2 * MARGIN), (0.06, 0.01, 0.01)),
    "references hardly apart": Truth((0.01, 0, 0.02), (0.02, 0.02, 0.02)),
}


def _proportional(cv: float) -> Truth:
    return Truth((2 * MARGIN, MARGIN, 0.5), (2 * MARGIN * cv, MARGIN * cv, 0.5 * cv))


def normal(generator: np.random.Generator, shape: Array) -> Array:
    """Draw standard normal values."""
    return generator.standard_normal(shape)


def lognormal(cv: float) -> Draw:
    """Return a draw of skewed values with mean 0 and standard deviation 1, as of a lognormal with that cv."""
    sigma = np.sqrt(np.log(1 + cv**2))
    return lambda generator, shape: (np.exp(sigma * generator.standard_normal(shape) - sigma**2 / 2) - 1) / cv


def drawn(
    truth: Truth,
    workloads: int,
    seeds: int,
    studies: int,
    generator: np.random.Generator,
    draw: Draw = normal,
) -> Part:
    """Draw the values of `studies` studies and return their moments."""
    factors = np.geomspace(1, truth.spread, workloads)[:, None]
    samples = []
    for mean, sd in zip(truth.means, truth.sds, strict=True):
        values = mean + sd * factors * draw(generator, (studies, workloads, seeds))
        samples.append(
            Sample(values.mean(-1), values.var(-1, ddof=1), np.full((studies, workloads), float(seeds)))
        )
    return Part(*samples, MARGIN)


def error_rates(
    studies: int, side: str = "p_kept", draw: Draw = normal, truths=AT_THE_MARGIN
) -> pd.DataFrame:
    """Return the share of studies whose part is decided falsely, by truth, workloads and seeds.

    The other two parts hold for certain here, so that this is the rate of a false "keeps both" at its highest.
    """
    generator = np.random.default_rng(20261122)
    rows = []
    for name, truth in truths.items():
        for workloads in WORKLOADS:
            for seeds in SEEDS:
                part = drawn(truth, workloads, seeds, studies, generator, draw)
                rate = float((getattr(run_test(part, ALPHA), side) < ALPHA).mean())
                rows.append({"truth": name, "workloads": workloads, "seeds": seeds, "rate": rate})
    return pd.DataFrame(rows)


POWER_TRUTHS = {
    "no difference, clear gap": [Truth((0, 0, 0.3), (0.03, 0.03, 0.05))] * 3,
    "half the margin": [Truth((0.025, 0, 0.3), (0.03, 0.03, 0.05))] * 3,
    "better than the reference": [Truth((-0.02, 0, 0.2), (0.05, 0.05, 0.1))] * 3,
    "margin cut by a small gap": [Truth((0, 0, 0.06), (0.02, 0.02, 0.06))] * 3,
    "one part hard, two easy": [Truth((0.03, 0, 0.3), (0.02, 0.03, 0.02))]
    + [Truth((0, 0, 0.3), (0.01, 0.01, 0.01))] * 2,
    "noise differs by workload": [Truth((0.01, 0, 0.3), (0.02, 0.02, 0.02), 5.0)] * 3,
}


def power_at_seeds_needed(studies: int) -> pd.DataFrame:
    """Return what `seeds_needed` says of known truths, and the share of such studies that keep all parts."""
    generator = np.random.default_rng(20261123)
    rows = []
    for name, truths in POWER_TRUTHS.items():
        for workloads in (1, 3, 6):
            known = [_as_decided(_known(truth, workloads), place) for place, truth in enumerate(truths)]
            n = int(seeds_needed(known, ALPHA))
            kept = np.ones(studies, dtype=bool)
            for place, truth in enumerate(truths):
                part = _as_decided(drawn(truth, workloads, n, studies, generator), place)
                kept &= run_test(part, ALPHA).p_kept < ALPHA
            rows.append({"truth": name, "workloads": workloads, "seeds": n, "power": float(kept.mean())})
    return pd.DataFrame(rows)


def _as_decided(part: Part, place: int) -> Part:
    """Mark the first two of three parts, R1 and R2, as cross-fitted; G is not."""
    marked = (moments._replace(cross_fitted=place < 2) for moments in part[:3])
    return Part(*marked, part.declared)


def _known(truth: Truth, workloads: int) -> Part:
    factors = np.geomspace(1, truth.spread, workloads)
    samples = [
        Sample(np.full(workloads, float(mean)), (sd * factors) ** 2, np.full(workloads, 2.0))
        for mean, sd in zip(truth.means, truth.sds, strict=True)
    ]
    return Part(*samples, MARGIN)


FRACTION_TRUTHS = {
    "gap 10 sd": Truth((0.1, 0, 1), (0.1, 0.1, 0.1)),
    "gap 3 sd": Truth((0.1, 0, 0.3), (0.1, 0.1, 0.1)),
    "gap 1 sd": Truth((0.05, 0, 0.1), (0.1, 0.1, 0.1)),
    "gap 3 sd, candidate 5 x noisier": Truth((0.1, 0, 0.3), (0.5, 0.1, 0.1)),
    "gap 3 sd, other reference 5 x noisier": Truth((0.1, 0, 0.3), (0.1, 0.1, 0.5)),
}


def fraction_coverage(studies: int) -> pd.DataFrame:
    """Return the coverage of Fieller's 95 % interval and of the delta method's, and how many are unbounded."""
    generator = np.random.default_rng(20261124)
    rows = []
    for name, truth in FRACTION_TRUTHS.items():
        candidate, better, worse = truth.means
        true = (worse - candidate) / (worse - better)
        for workloads, seeds in ((1, 3), (1, 5), (1, 10), (3, 3), (6, 5)):
            part = drawn(truth, workloads, seeds, studies, generator)
            fraction, low, high = preserved(part, 0.95)
            half = _delta_half_width(part, fraction)
            rows.append(
                {
                    "truth": name,
                    "workloads": workloads,
                    "seeds": seeds,
                    "fieller": float(((low <= true) & (true <= high)).mean()),
                    "delta": float((np.abs(fraction - true) <= half).mean()),
                    "unbounded": float(np.isinf(low).mean()),
                }
            )
    return pd.DataFrame(rows)


def _delta_half_width(part: Part, fraction: Array) -> Array:
    around = combine((1 - fraction, -1.0, fraction), (part.worse, part.candidate, part.better))
    half = around.upper(0.025) - around.value
    return half / np.abs(difference(part.worse, part.better).value)


def full_rows(studies: int, seeds: int, noise: float, cross_fitted: bool = True) -> float:
    """Return how often a sensitivity exactly at the margin is called kept, with whole trials simulated.

    Surfaces are parabolas in log lr with normal noise. What cross-fitting and the window make of them decides
    what S is on average, so the margin is the mean difference of all the studies.
    """
    generator = np.random.default_rng(20261125)
    curvature = {"candidate": 0.07, "adamw": 0.03, "sgd": 0.20}
    trials = pd.concat(
        [_surfaces(name, c, studies, seeds, noise, generator) for name, c in curvature.items()]
    )
    values = endpoints(trials)
    tasks = sorted(trials["task"].unique())
    found = [sample(values, "S", name, tasks) for name in curvature]
    alone = [
        Sample(*(array[:, None] for array in moments[:3]), cross_fitted) for moments in found
    ]  # each study by itself
    margin = float(difference(alone[0], alone[1]).value.mean())
    return float((run_test(Part(*alone, margin), ALPHA).p_kept < ALPHA).mean())


def _surfaces(
    label: str, curvature: float, studies: int, seeds: int, noise: float, generator: np.random.Generator
) -> pd.DataFrame:
    axes = [map(str, range(studies)), np.arange(-4, 5) / 2, range(seeds)]
    grid = pd.MultiIndex.from_product(axes, names=["task", "x", "seed"]).to_frame(index=False)
    error = 0.05 + curvature * grid["x"] ** 2 + generator.normal(0, noise, len(grid))
    columns = {"optimizer": label, "label": label, "grad_scale": 1.0, "role": "grid", "weight_decay": 0.0}
    return grid.assign(
        **columns,
        lr=0.01 * 10 ** grid["x"],
        status="completed",
        chance_accuracy=0.1,
        val_accuracy=1 - error.clip(0, 0.9),
        test_accuracy=1 - error.clip(0, 0.9),
    )


def _percent(table: pd.DataFrame, value: str) -> str:
    wide = table.pivot(index="truth", columns=["workloads", "seeds"], values=value)
    wide = wide.loc[table["truth"].drop_duplicates()]
    head = ["%, workloads x seeds", *(f"{w} x {n}" for w, n in wide.columns)]
    lines = [
        [name, *(f"{100 * x:.1f}" for x in row)]
        for name, row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    return _markdown(head, lines)


def _markdown(head: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (head, ["---"] * len(head), *lines))


def main() -> None:
    """Print the tables of docs/verdict.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    studies = 1_000 if parser.parse_args().quick else 20_000
    print(f"## False 'keeps both', {studies:,} studies a cell\n")
    print(_percent(error_rates(studies), "rate"))
    print("\n## False 'not kept'\n")
    print(_percent(error_rates(studies, "p_lost"), "rate"))
    print("\n## False 'keeps both', skewed values\n")
    skewed = [
        error_rates(studies, draw=lognormal(cv), truths={f"lognormal, sd {cv} x mean": _proportional(cv)})
        for cv in (0.25, 0.5, 1.0)
    ]
    print(_percent(pd.concat(skewed), "rate"))
    print("\n## Power where n is what seeds_needed says\n")
    power = power_at_seeds_needed(studies)
    print(
        _markdown(list(power.columns), [[*row[:3], f"{row[3]:.3f}"] for row in power.itertuples(index=False)])
    )
    print("\n## Coverage of 95 % intervals of the preserved fraction, %\n")
    cover = fraction_coverage(studies)
    rows = [[*row[:3], *(f"{100 * x:.1f}" for x in row[3:])] for row in cover.itertuples(index=False)]
    print(_markdown(list(cover.columns), rows))
    some = studies // 10
    print(f"\n## False 'kept' of R1 from whole trials, {some:,} studies, %\n")
    noises = (0.002, 0.01, 0.03, 0.06)
    rates = [
        [name, n, *(f"{100 * full_rows(some, n, noise, cross_fitted):.1f}" for noise in noises)]
        for name, cross_fitted in (("SE as for independent values", False), ("SE of the verdict", True))
        for n in SEEDS
    ]
    print(_markdown(["", "seeds", *(f"noise {noise}" for noise in noises)], rates))


if __name__ == "__main__":
    main()
