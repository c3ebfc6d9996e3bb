import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.statistics.holm import holm
from analysis.statistics.welch import Estimate, Sample, combine, difference

# scipy warns of values without spread
VALUES = st.lists(st.integers(-100, 100).map(float), min_size=2, max_size=6).filter(lambda x: len(set(x)) > 1)


def moments(*workloads):
    return Sample(
        np.array([np.mean(values) for values in workloads]),
        np.array([np.var(values, ddof=1) for values in workloads]),
        np.array([float(len(values)) for values in workloads]),
    )


def test_two_workloads_by_hand():
    first = moments([1.0, 2.0, 3.0], [5.0, 5.0])  # means 2, 5; variances 1, 0
    second = moments([0.0, 1.0], [1.0, 3.0])  # means .5, 2; variances .5, 2
    found = difference(first, second)
    terms = np.array([1 / 3, 0, 0.5 / 2, 2 / 2]) / 4
    assert found.value == pytest.approx((1.5 + 3) / 2, rel=1e-12)
    assert found.se == pytest.approx(np.sqrt(terms.sum()), rel=1e-12)
    assert found.df == pytest.approx(terms.sum() ** 2 / (terms**2 / np.array([2, 1, 1, 1])).sum(), rel=1e-12)


@given(VALUES, VALUES, st.integers(-20, 20))
def test_one_workload_is_welchs_test(first, second, bound):
    found = difference(moments(first), moments(second))
    shifted = np.array(first) - bound
    less = stats.ttest_ind(shifted, second, equal_var=False, alternative="less").pvalue
    assert found.p_below(np.array(bound)) == pytest.approx(less, abs=1e-9)
    assert found.p_above(np.array(bound)) == pytest.approx(1 - less, abs=1e-9)


@given(VALUES, VALUES, st.sampled_from([0.01, 0.05, 0.2]))
def test_a_bound_lies_where_the_p_value_is_alpha(first, second, alpha):
    found = difference(moments(first), moments(second))
    assert found.p_below(found.upper(alpha)) == pytest.approx(alpha, abs=1e-6)
    assert found.p_above(found.lower(alpha)) == pytest.approx(alpha, abs=1e-6)


def test_without_spread_the_estimate_decides_and_a_tie_is_not_below():
    found = difference(moments([0.3, 0.3]), moments([0.1, 0.1]))
    assert (found.se, found.lower(0.05), found.upper(0.05)) == (0, found.value, found.value)
    assert [float(found.p_below(np.array(bound))) for bound in (0.1, 0.2, 0.3)] == [1, 1, 0]
    assert [float(found.p_above(np.array(bound))) for bound in (0.1, 0.2, 0.3)] == [0, 1, 1]


def test_studies_are_estimated_at_once_as_they_are_alone():
    generator = np.random.default_rng(0)
    first, second = (
        Sample(generator.normal(size=(4, 3)), generator.gamma(1, size=(4, 3)), np.full((4, 3), 5.0))
        for _ in range(2)
    )
    weights = (np.arange(4.0), -1.0)
    together = combine(weights, (first, second))
    for study in range(4):
        alone = [Sample(*(array[study] for array in sample[:3])) for sample in (first, second)]
        found = combine((float(study), -1.0), alone)
        np.testing.assert_allclose([x[study] for x in together], found, rtol=1e-12)


def test_cross_fitted_values_have_the_variance_of_shared_folds():
    alone = moments([1.0, 2.0, 3.0])
    assert alone.var_of_mean == pytest.approx([1 / 3])
    assert alone._replace(cross_fitted=True).var_of_mean == pytest.approx([1 / 3 + 1 / 2])


def test_holm_by_hand():
    p = np.array([0.01, 0.04, np.nan, 0.03])
    np.testing.assert_allclose(holm(p), [0.04, 0.09, np.nan, 0.09], rtol=1e-12)


def test_an_estimate_of_no_spread_has_no_infinite_bounds():
    assert np.isfinite(Estimate(np.array(1.0), np.array(0.0), np.array(1.0)).upper(1e-9))
