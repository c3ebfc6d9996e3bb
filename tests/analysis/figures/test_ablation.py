import numpy as np
import pandas as pd
import pytest

from analysis.figures.ablation import ablation_figure, find_ablations
from analysis.labels import parse_label


def metrics(labels, **columns):
    """A metrics table whose test errors are 1 %, 2 %, ... in the order of the labels."""
    count = len(labels)
    error, zero = (np.arange(count) + 1) / 100, np.zeros(count)
    table = {"task": "digits", "label": labels, "optimizer": [label.partition("(")[0] for label in labels]}
    table |= {"test_error": error, "test_error_low": error - 0.005, "test_error_high": error + 0.01}
    table |= {"sensitivity": error * 2, "sensitivity_low": error, "sensitivity_high": error * 3}
    return pd.DataFrame(table | {"transfer_regret": zero * np.nan} | columns)


MIXING = metrics(["ada2ms(mixing=0)", "ada2ms(mixing=0.5)", "ada2ms(mixing=1)", "adamw", "sgd"])


@pytest.mark.parametrize(
    ("label", "parsed"),
    [
        ("adamw", ("adamw", {})),
        ("ada2ms(mixing=0.5)", ("ada2ms", {"mixing": "0.5"})),
        ("a(eps=1e-08, scope=tensor)", ("a", {"eps": "1e-08", "scope": "tensor"})),
    ],
)
def test_labels_say_their_variations(label, parsed):
    assert parse_label(label) == parsed


def test_the_only_hyperparameter_that_differs_is_on_the_axis_beside_the_references():
    (found,) = find_ablations(MIXING)
    assert (found.optimizer, found.varied, found.log, found.series) == ("ada2ms", ["mixing"], False, None)
    assert found.points["mixing"].tolist() == [0, 0.5, 1]
    assert found.references["label"].tolist() == ["adamw", "sgd"]


def test_the_response_has_intervals_and_lines_for_the_references():
    figure = ablation_figure(*find_ablations(MIXING))
    error, sensitivity = figure.axes
    np.testing.assert_allclose(error.containers[0].lines[0].get_xydata(), [[0, 1], [0.5, 2], [1, 3]])
    bars = error.containers[0].lines[2][0].get_segments()
    np.testing.assert_allclose(bars, [[[0, 0.5], [0, 2]], [[0.5, 1.5], [0.5, 3]], [[1, 2.5], [1, 4]]])
    levels = {
        line.get_label(): line.get_ydata()[0] for line in sensitivity.lines if line.get_label()[0] != "_"
    }
    assert levels == pytest.approx({"adamw": 0.08, "sgd": 0.10})
    assert sensitivity.get_xlabel() == "mixing exponent (0: global, 1: AdamW)"
    assert figure.legends[0].get_title().get_text() == "ada2ms†"
    assert "our reimplementation" in figure.get_supxlabel()


def test_transfer_regret_is_drawn_where_it_is_known():
    figure = ablation_figure(*find_ablations(MIXING.assign(transfer_regret=0.3)))
    assert [ax.get_ylabel() for ax in figure.axes] == ["test error (%)", "sensitivity S", "transfer regret T"]


def test_other_hyperparameters_are_curves_and_decades_are_logarithmic():
    labels = [
        f"ada2ms(eps={eps}, mixing={mixing})" for eps in ("1e-08", "0.0001", "0.01") for mixing in (0, 1)
    ]
    (found,) = find_ablations(metrics(labels))
    assert (found.varied, found.log) == (["eps", "mixing"], True)
    figure = ablation_figure(found)
    curves = figure.axes[0].containers
    assert [curve.get_label() for curve in curves] == ["mixing=0", "mixing=1"]
    moved = 10 ** (0.006 * 6)  # half of 1.2 % of six decades
    np.testing.assert_allclose(curves[1].lines[0].get_xdata(), moved * np.array([1e-8, 1e-4, 1e-2]))
    np.testing.assert_allclose(curves[0].lines[0].get_xdata(), np.array([1e-8, 1e-4, 1e-2]) / moved)
    np.testing.assert_allclose(curves[1].lines[0].get_ydata(), [2, 4, 6])
    assert len({(c.lines[0].get_color(), c.lines[0].get_marker()) for c in curves}) == 2
    assert figure.axes[1].get_xscale() == "log"


def test_words_are_curves_too():
    labels = [f"ada2ms(mixing={mixing}, scope={scope})" for scope in ("model", "tensor") for mixing in (0, 1)]
    (found,) = find_ablations(metrics(labels))
    assert found.varied == ["mixing", "scope"]
    curves = ablation_figure(found).axes[1].containers
    assert [curve.get_label() for curve in curves] == ["scope=model", "scope=tensor"]
    np.testing.assert_allclose([curve.lines[0].get_ydata() for curve in curves], [[0.02, 0.04], [0.06, 0.08]])


def test_memory_is_shown_as_one_minus_beta():
    (found,) = find_ablations(metrics([f"ada2ms(beta2={value})" for value in (0.9, 0.99, 0.9999)]))
    assert (found.varied, found.log) == (["1 − beta2"], True)
    assert found.points["1 − beta2"].tolist() == [1e-4, 1e-2, 0.1]


def test_optimizers_without_variations_have_no_ablation():
    assert find_ablations(metrics(["adamw", "sgd"])) == []
    assert find_ablations(metrics(["ada2ms(scope=model)", "ada2ms(scope=tensor)"])) == []
