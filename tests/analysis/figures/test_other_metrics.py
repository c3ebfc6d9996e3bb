"""Figures of tasks that are judged by a loss or by macro F1: the metric's name, unit, numbers and direction."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh

import analysis
from analysis.figures.ablation import ablation_figure, find_ablations
from analysis.figures.best_of_k import best_of_k_curves
from analysis.figures.exponent_plane import plane
from analysis.figures.forest import forest, forest_rows
from analysis.figures.gallery import draw_figures
from analysis.figures.lr_curves import lr_curves
from analysis.figures.search import front, response
from analysis.figures.styles import value_limits
from analysis.figures.tradeoff import FRONT, tradeoff
from analysis.judgement.noninferiority import MarginInForce
from analysis.metrics.best_of_k import best_of_k
from analysis.summaries.lr_curve import lr_curve
from analysis.task_metric import TaskMetric

LOSS, F1 = TaskMetric("loss", "nats", "min"), TaskMetric("macro F1", "%", "max")
CELLS = {
    LOSS: ({(0.01, 0.0): [1.0, 1.5], (0.1, 0.0): [0.5, 0.5], (1.0, 0.0): ["diverged", "diverged"]}, 2.0),
    F1: ({(0.01, 0.0): [0.5, 0.625], (0.1, 0.0): [0.75, 0.75], (1.0, 0.0): ["diverged", "diverged"]}, 0.25),
}
BOTH = pytest.mark.parametrize("metric", [LOSS, F1], ids=str)
MEANS = {LOSS: [1.25, 0.5, 2.0], F1: [56.25, 75.0, 25.0]}


@pytest.fixture
def trials(judged, metric):
    cells, nothing = CELLS[metric]
    return judged(cells, metric, nothing=nothing)


def table(metric, **columns):
    """Three labels of one optimizer, the second best in what is judged and the last not on the front."""
    values = {LOSS: [0.75, 0.5, 1.0], F1: [0.5, 0.75, 0.25]}[metric]
    names = {"metric": metric.name, "unit": metric.unit, "direction": metric.direction}
    made = {"task": "digits", "label": [f"o(p={p}, q=0)" for p in (0, 1, 2)], "optimizer": "o", **names}
    made |= {"test_metric": values, "sensitivity": [0.1, 0.2, 0.3], "on_front": [True, True, False]}
    return pd.DataFrame(made | {"transfer_regret": np.nan} | columns)


@BOTH
def test_curves_over_the_learning_rate_have_the_metrics_values_and_the_level_of_knowing_nothing(
    trials, metric
):
    ax = lr_curves(lr_curve(trials))
    assert ax.get_ylabel() == f"validation {metric}"
    curve, level = ax.lines
    np.testing.assert_allclose(curve.get_ydata(), MEANS[metric])
    np.testing.assert_allclose(level.get_ydata(), MEANS[metric][2])
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["adamw", "knowing nothing"]


@BOTH
def test_surfaces_are_bright_where_the_metric_is_good(trials, metric):
    figure = analysis.surface_grid(trials)
    panel, bar = figure.axes
    assert bar.get_ylabel() == f"validation {metric}"
    mesh = next(item for item in panel.collections if isinstance(item, QuadMesh))
    np.testing.assert_allclose(np.ma.filled(mesh.get_array(), np.nan)[0], [*MEANS[metric][:2], np.nan])
    worse, best = (sum(mesh.cmap(mesh.norm(value))[:3]) for value in MEANS[metric][:2])
    assert best > worse
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "worse by at most 1 % of $D_w$" in texts


@BOTH
def test_best_of_k_has_the_tables_numbers_in_the_metrics_unit(trials, metric):
    known = best_of_k(trials)
    ax = best_of_k_curves(known)
    assert ax.get_ylabel() == f"expected test {metric}"
    factor = 100 if metric == F1 else 1
    np.testing.assert_allclose(ax.lines[0].get_ydata(), factor * known["test_metric"])


def test_the_tradeoff_runs_from_better_to_worse_whatever_the_direction():
    ax = tradeoff(table(LOSS))
    assert (ax.get_xlabel(), ax.xaxis_inverted()) == ("test loss (nats)", False)
    ax = tradeoff(table(F1))
    assert (ax.get_xlabel(), ax.xaxis_inverted()) == ("test macro F1 (%), better: left", True)
    steps = next(line for line in ax.lines if line.get_color() == FRONT)
    np.testing.assert_allclose(steps.get_xydata(), [[75, 0.2], [50, 0.1]])


@BOTH
def test_responses_and_planes_have_the_metric_on_their_axes(metric):
    (found,) = find_ablations(table(metric))
    top = ablation_figure(found).axes[0]
    assert top.get_ylabel() == (f"test {metric}\nbetter: above" if metric == F1 else f"test {metric}")
    factor = 100 if metric == F1 else 1
    np.testing.assert_allclose(top.containers[0].lines[0].get_ydata(), factor * table(metric)["test_metric"])
    ax = plane(table(metric, p=[0.0, 1.0, 2.0], q=[0.0, 1.0, 0.0]), score="test_metric")
    assert ax.figure.axes[1].get_ylabel() == f"test {metric}"
    mesh = next(item for item in ax.collections if isinstance(item, QuadMesh))
    # dark is better, as for errors
    ends = [factor * table(metric)["test_metric"][row] for row in (1, 2)]
    best, worst = (sum(mesh.cmap(mesh.norm(value))[:3]) for value in ends)
    assert best < worst


def test_a_search_names_its_metric_and_its_references_have_it_too():
    points = table(F1).rename(columns={"test_metric": "val_metric"}).assign(mixing=[0.0, 0.5, 1.0])
    references = pd.DataFrame({"label": ["adamw"], "val_metric": [0.5], "sensitivity": [0.25]})
    ax = front(points, x="val_metric", y="sensitivity", references=references)
    assert (ax.get_xlabel(), ax.xaxis_inverted()) == ("validation macro F1 (%), better: left", True)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[75, 0.2], [50, 0.1]])
    ax = response(points, x="mixing", y="val_metric", references=references)
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), 50)
    assert ax.get_ylabel() == "validation macro F1 (%)\nbetter: above"


def test_the_forest_names_the_metric_and_the_unit_of_its_differences(comparison):
    rows = forest_rows(analysis.verdicts(comparison(), candidates=["ada2ms(mixing=0.5)"]))
    names = {"ada2ms(mixing=0.5)": "ours"}
    for margin, name, unit, axis in (
        (MarginInForce(0.01, LOSS, in_shares=False), "test loss E", " nats,", "candidate − reference"),
        (MarginInForce(0.01, F1, in_shares=False), "test macro F1 E", " pp,", "difference from the reference"),
        (MarginInForce(0.01, F1, in_shares=True), "test macro F1 E", " % of $D_w$,", "difference from the reference"),
    ):  # fmt: skip
        ax = forest(rows, names, generalization=margin)
        assert ax.get_yticklabels()[3].get_text() == f"{name}, against sgd"
        assert unit in ax.texts[5].get_text()
        assert ax.get_xlabel() == f"{axis}, in declared margins (right: worse)"


def test_tasks_of_a_suite_have_their_own_axes_and_the_profile_is_of_gains(rows, judged):
    by_error = [rows({(0.1, 0.0): [0.2]}, label=label) for label in ("adamw", "sgd")]
    by_loss = [
        judged({(0.1, 0.0): [0.5]}, LOSS, nothing=2.0, label=label, task="text") for label in ("adamw", "sgd")
    ]
    trials = pd.concat([*by_error, *by_loss], ignore_index=True)
    only = frozenset({"lr-error", "best-of-k", "lr-weight-decay", "profile"})
    made = {(one.task, one.name): one for one in draw_figures(trials, "none", only=only)}
    assert {one.reason for one in made.values()} == {""}
    labels = {place: one.figure.axes[-1].get_ylabel() for place, one in made.items()}
    assert labels[("digits", "lr-error")] == "validation error (%)"
    assert labels[("text", "lr-error")] == "validation loss (nats)"
    assert labels[("digits", "best-of-k")] == "expected test error (%)"
    assert labels[("text", "best-of-k")] == "expected test loss (nats)"
    assert labels[("digits", "lr-weight-decay")] == "validation accuracy (%)"
    assert labels[("text", "lr-weight-decay")] == "validation loss (nats)"
    assert (
        made[(None, "profile")].figure.axes[0].get_xlabel()
        == "best gain on knowing nothing / own gain (test)"
    )


def test_axes_of_values_begin_at_zero_where_that_does_not_hide_their_differences():
    assert value_limits(np.array([90.0, 95.0]), percent=True) == (0, pytest.approx(100.7))
    assert value_limits(np.array([0.5, 2.0, np.nan]), percent=False) == (0, pytest.approx(2.12))
    assert value_limits(np.array([1000.0, 1010.0]), percent=False) == pytest.approx((999.4, 1010.6))
    assert value_limits(np.array([-1.0, 0.0]), percent=True) == pytest.approx((-1.06, 0.06))
