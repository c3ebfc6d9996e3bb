import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from analysis.figures.exponent_plane import NAMED, nearest_scores, plane
from analysis.figures.search import front, hypervolume_curve, response

POINTS = pd.DataFrame(
    {
        "mixing": [0.0, 0.5, 1.0],
        "val_error": [0.03, 0.02, 0.04],
        "val_error_low": [0.02, 0.01, 0.03],
        "val_error_high": [0.05, 0.03, 0.05],
        "sensitivity": [0.1, 0.2, 0.3],
        "on_front": [True, True, False],
    }
)
REFERENCES = pd.DataFrame({"label": ["adamw", "sgd"], "val_error": [0.025, 0.05], "sensitivity": [0.2, 0.4]})


def test_the_front_is_large_the_rest_small_and_errors_are_in_percent():
    ax = front(POINTS, x="val_error", y="sensitivity", colour="mixing", references=REFERENCES)
    rest, best, adamw, sgd = [part for part in ax.collections if isinstance(part, PathCollection)]
    np.testing.assert_allclose(rest.get_offsets(), [[4.0, 0.3]])
    np.testing.assert_allclose(best.get_offsets(), [[2.0, 0.2], [3.0, 0.1]])
    np.testing.assert_allclose([*adamw.get_offsets(), *sgd.get_offsets()], [[2.5, 0.2], [5.0, 0.4]])
    assert best.get_sizes()[0] > rest.get_sizes()[0]
    assert ax.get_xlabel() == "validation error (%)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["adamw", "sgd"]
    ax.figure.draw_without_rendering()
    assert ax.get_legend().get_window_extent().y0 >= ax.bbox.y1  # its marks are no points


def test_the_response_has_intervals_and_lines_for_the_references():
    ax = response(POINTS, x="mixing", y="val_error", references=REFERENCES)
    curve = ax.containers[0]
    np.testing.assert_allclose(curve.lines[0].get_xydata(), [[0, 3], [0.5, 2], [1, 4]])
    np.testing.assert_allclose(curve.lines[2][0].get_segments()[0], [[0, 2], [0, 5]])
    levels = [line.get_ydata()[0] for line in ax.lines if line.get_label() in ("adamw", "sgd")]
    np.testing.assert_allclose(levels, [2.5, 5.0])


def test_a_logarithmic_response_is_labelled_in_powers_of_ten():
    points = pd.DataFrame({"eps": [1e-8, 1e-6, 1e-4], "sensitivity": [0.1, 0.2, 0.3]})
    ax = response(points, x="eps", y="sensitivity", log=True, joined=False)
    assert ax.get_xscale() == "log"
    assert "$10^{-8}$" in [text.get_text() for text in ax.get_xticklabels()]


def test_the_history_is_drawn_on_the_given_axes():
    ax = Figure().add_subplot()
    history = pd.DataFrame({"points": [1, 2], "hypervolume": [0.2, 0.5]})
    assert hypervolume_curve(history, ax=ax) is ax
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2, 0.5])


def test_every_place_of_the_plane_has_the_score_of_the_nearest_point():
    points = pd.DataFrame({"p": [0.0, 1.0], "q": [0.0, 1.0], "sensitivity": [0.2, 0.7]})
    across, up, scores = nearest_scores(points, x="p", y="q", score="sensitivity", box=(0, 1, 0, 1))
    assert scores.shape == (len(up) - 1, len(across) - 1)
    assert (scores[0, 0], scores[-1, -1]) == (0.2, 0.7)
    assert np.mean(scores == 0.2) == pytest.approx(0.5, abs=0.01)


def test_the_plane_marks_named_optimizers_and_the_line_of_scale_invariance():
    points = pd.DataFrame({"p": [-0.5, 0.75, 0.2], "q": [0.0, 0.5, 0.3], "sensitivity": [0.2, np.nan, 0.1]})
    points.loc[1, "sensitivity"] = 0.5
    ax = plane(points, score="sensitivity")
    assert set(NAMED) | {"Ada2MS†"} == {text.get_text() for text in ax.texts}
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xdata() + line.get_ydata(), 0.5)


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(ValueError, match="lacks \\['transfer_regret'\\]"):
        response(POINTS, x="mixing", y="transfer_regret")
    with pytest.raises(ValueError, match="at least one with a value of 'sensitivity'"):
        plane(POINTS.assign(p=0.0, q=0.0, sensitivity=np.nan), score="sensitivity")
