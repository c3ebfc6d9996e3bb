"""The error rates of the verdict, in small; docs/verdict.md has them with 20,000 studies a cell."""

import math
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.judgement.noninferiority import Margins, run_test
from analysis.judgement.rule import judge

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "verdict_power.py"))
STUDIES = 2000


def below(rate, studies):
    """Three standard errors above what a rate may be."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / studies)


@pytest.mark.parametrize("side", ["p_kept", "p_lost"])
def test_at_the_margin_a_false_claim_is_rare(side):
    table = BENCHMARK["error_rates"](STUDIES, side)
    assert set(table["workloads"]) == {1, 2, 3, 6}
    assert set(table["seeds"]) == {3, 5, 10}
    assert table["rate"].max() < below(0.06, STUDIES)


def test_the_power_is_what_was_promised():
    table = BENCHMARK["power_at_seeds_needed"](STUDIES)
    assert table["power"].min() > 0.8 - 3 * math.sqrt(0.8 * 0.2 / STUDIES)


def test_the_fractions_interval_covers():
    table = BENCHMARK["fraction_coverage"](STUDIES)
    assert table["fieller"].min() > 0.92 - 3 * math.sqrt(0.92 * 0.08 / STUDIES)


def three_values(part, study):
    """A table of three seeds with the moments of one drawn study."""
    return pd.DataFrame(
        [
            ("E", str(task), label, seed, mean + np.sqrt(var) * (seed - 1))
            for label, sample in zip(("ours", "sgd", "adamw"), part, strict=False)
            for task, (mean, var) in enumerate(zip(sample.mean[study], sample.var[study], strict=True))
            for seed in range(3)
        ],
        columns=["endpoint", "task", "label", "seed", "value"],
    )


def test_tables_are_decided_as_the_arrays_are():
    truth = BENCHMARK["AT_THE_MARGIN"]["candidate 2 x noisier"]
    part = BENCHMARK["drawn"](truth, 2, 3, 8, np.random.default_rng(0))
    together = run_test(part, 0.05)
    for study in range(8):
        judged = judge(
            {"ours": three_values(part, study)}, ("adamw", "sgd"), Margins(generalization=0.05), 0.05
        )["ours"]
        assert judged.parts.loc["G", "p"] == pytest.approx(together.p_kept[study], nan_ok=True, rel=1e-6)
        assert judged.parts.loc["G", "high"] == pytest.approx(together.estimate.upper(0.05)[study], abs=1e-9)


def test_whole_trials_are_rarely_called_kept_at_the_margin():
    # with the standard error of independent values it is over 10 %: the seeds share the cell they chose
    assert BENCHMARK["full_rows"](500, 5, 0.03) < below(0.06, 500)
    assert BENCHMARK["full_rows"](500, 5, 0.03, cross_fitted=False) > below(0.06, 500)
