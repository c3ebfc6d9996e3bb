import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.judgement.noninferiority import Margins, Part, preserved, run_test
from analysis.statistics.welch import Sample, combine
from analysis.task_metric import ERROR, TaskMetric


def part(means, sds=(0.0, 0.0, 0.0), n=5, declared=0.05):
    made = (
        Sample(np.array([m]), np.array([s**2]), np.array([float(n)])) for m, s in zip(means, sds, strict=True)
    )
    return Part(*made, declared)


@pytest.mark.parametrize(
    ("means", "margin", "kept", "lost"),
    [
        ((0.04, 0.0, 0.2), 0.05, 0, 1),  # the gap is wide: as declared
        ((0.04, 0.0, 0.06), 0.03, 1, 0),  # cut to half the gap
        ((0.05, 0.0, 0.2), 0.05, 1, 1),  # exactly at the margin nothing is shown
        ((0.3, 0.0, 0.2), 0.05, 1, 0),
    ],
)
def test_what_is_decided_without_noise(means, margin, kept, lost):
    tested = run_test(part(means), 0.05)
    assert tested.margin == pytest.approx(margin, rel=1e-9)
    assert (tested.p_kept, tested.p_lost) == (kept, lost)


@pytest.mark.parametrize("gap", [0.0, -0.1])
def test_references_that_do_not_differ_test_nothing(gap):
    tested = run_test(part((-1.0, 0.0, gap), (0.1, 0.1, 0.1)), 0.05)
    assert not tested.testable
    assert np.isnan([tested.margin, tested.p_kept, tested.p_lost]).all()


def test_the_margin_is_cut_to_half_the_lower_bound_of_the_gap():
    tested = run_test(part((0.0, 0.0, 0.08), (0.01, 0.01, 0.01)), 0.05)
    low = 0.08 - stats.t.ppf(0.95, 8) * 0.01 * np.sqrt(2 / 5)  # equal variances: n + n - 2 degrees of freedom
    assert tested.margin == pytest.approx(low / 2, rel=1e-9)


def test_lost_is_said_only_beyond_the_widest_margin():
    # the estimate, .06, is known exactly; half the gap lies between .04 and .07 or so
    noisy = part((0.06, 0.0, 0.11), (0.0, 0.0, 0.03), declared=0.5)
    tested = run_test(noisy, 0.05)
    high = 0.11 + stats.t.ppf(0.95, 4) * 0.03 / np.sqrt(5)
    assert tested.margin < 0.06 < high / 2
    assert (tested.p_kept, tested.p_lost) == (1, 1)


def test_the_preserved_fraction_by_hand():
    fraction, low, high = preserved(part((0.1, 0.0, 0.4)))
    assert [float(x) for x in (fraction, low, high)] == pytest.approx([0.75] * 3, rel=1e-9)


@given(st.tuples(*[st.floats(-1, 1)] * 3), st.tuples(*[st.floats(0.01, 0.5)] * 3), st.integers(2, 9))
def test_fiellers_bounds_are_where_the_sum_is_just_significant(means, sds, n):
    study = part(means, sds, n)
    fraction, low, high = (float(x) for x in preserved(study))
    if np.isfinite(low):
        df = around(study, fraction).df
        assert low <= fraction <= high
        for bound in (low, high):
            at = around(study, bound)
            assert abs(at.value) == pytest.approx(stats.t.ppf(0.975, df) * at.se, rel=1e-3, abs=1e-6)


def around(study, f):
    return combine((1 - f, -1.0, f), (study.worse, study.candidate, study.better))


def test_a_gap_that_is_hardly_known_leaves_the_fraction_open():
    _, low, high = preserved(part((0.0, 0.0, 0.1), (0.1, 0.1, 0.1), n=3))
    assert (low, high) == (-np.inf, np.inf)
    assert np.isnan(preserved(part((0.1, 0.0, 0.0)))[0])


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), math.inf])
def test_a_margin_outside_its_range_is_refused(value):
    with pytest.raises(ValueError, match=r"margins.generalization must be above 0, but got"):
        Margins(generalization=value)
    with pytest.raises(ValueError, match=r"margins.generalization_share must be in \(0, 1\), but got"):
        Margins(generalization_share=value)


LOSS, F1 = TaskMetric("loss", "nats", "min"), TaskMetric("macro F1", "%", "max")


@pytest.mark.parametrize(
    ("margins", "metrics", "expected"),
    [
        (Margins(), [ERROR, ERROR], (0.002, ERROR, False)),
        (Margins(), [LOSS], (0.002, LOSS, True)),
        (Margins(), [ERROR, LOSS], (0.002, None, True)),
        (Margins(generalization=1.5), [LOSS, LOSS], (1.5, LOSS, False)),
        (Margins(generalization_share=0.01), [ERROR], (0.01, ERROR, True)),
        (Margins(generalization_share=0.01), [F1, LOSS], (0.01, None, True)),
    ],
)
def test_the_margin_of_e_is_in_the_metrics_unit_or_a_share(margins, metrics, expected):
    assert margins.for_metrics(metrics) == expected


def test_margins_that_have_no_common_unit_are_refused():
    with pytest.raises(ValueError, match=r"generalization must be in \(0, 1\) for an error, but got 1.0"):
        Margins(generalization=1.0).for_metrics([ERROR])
    with pytest.raises(ValueError, match="got generalization 0.1 for error .%., loss .nats."):
        Margins(generalization=0.1).for_metrics([LOSS, ERROR])
    with pytest.raises(ValueError, match="must not stand beside a generalization of 0.1, but got 0.01"):
        Margins(generalization=0.1, generalization_share=0.01)
