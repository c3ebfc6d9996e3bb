import math

import numpy as np
import pytest
from scipy import stats

from analysis.judgement.noninferiority import Part
from analysis.judgement.seeds_needed import power, seeds_needed
from analysis.statistics.welch import Sample


def part(means, sd, workloads=1):
    made = (Sample(np.full(workloads, m), np.full(workloads, sd**2), np.full(workloads, 2.0)) for m in means)
    return Part(*made, 0.05)


@pytest.mark.parametrize("means", [(0.05, 0.0, 1.0), (0.2, 0.0, 1.0), (0.03, 0.0, 0.06), (0.0, 0.0, 0.0)])
def test_at_or_beyond_the_margin_no_number_of_seeds_is_enough(means):
    assert seeds_needed([part(means, 0.01)], 0.05) == math.inf


def test_without_noise_two_are_enough():
    assert seeds_needed([part((0.0, 0.0, 1.0), 0.0)], 0.05) == 2


def test_where_the_gap_is_wide_it_is_the_number_of_a_t_test():
    study, n = part((0.01, 0.0, 5.0), 0.05), 0

    def exact(n):
        shift = -0.04 / (0.05 * np.sqrt(2 / n))
        return stats.nct.cdf(stats.t.ppf(0.05, 2 * n - 2), 2 * n - 2, shift)

    n = seeds_needed([study], 0.05)
    assert exact(n - 2) < 0.8 <= exact(n)
    assert power([study], n, 0.05, draws=20_000, seed=1) == pytest.approx(exact(n), abs=0.01)


def test_all_parts_at_once_need_more_and_workloads_fewer():
    study = part((0.01, 0.0, 0.5), 0.05)
    assert seeds_needed([study] * 3, 0.05) > seeds_needed([study], 0.05)
    assert seeds_needed([part((0.01, 0.0, 0.5), 0.05, workloads=4)], 0.05) < seeds_needed([study], 0.05) / 2


def test_too_near_to_the_margin_is_more_than_anyone_runs():
    assert seeds_needed([part((0.0499, 0.0, 1.0), 0.1)], 0.05) == math.inf
