import numpy as np
import pandas as pd
import pytest

from analysis.figures.tradeoff import FRONT, tradeoff

METRICS = pd.DataFrame(
    {
        "task": "digits",
        "label": ["ada2ms(mixing=0.5)", "adamw", "sgd", "lost"],
        "optimizer": ["ada2ms", "adamw", "sgd", "lost"],
        "test_error": [0.03, 0.04, 0.02, np.nan],
        "test_error_low": [0.02, 0.03, np.nan, np.nan],
        "test_error_high": [0.05, 0.05, np.nan, np.nan],
        "sensitivity": [0.1, 0.2, 0.4, 0.5],
        "sensitivity_low": [0.0, 0.1, 0.3, 0.4],
        "sensitivity_high": [0.2, 0.3, 0.5, 0.6],
        "on_front": [True, False, True, False],
    }
)


def test_points_have_both_intervals_and_labels_without_a_score_are_left_out():
    ax = tradeoff(METRICS)
    assert len(ax.containers) == 3
    point, _, bars = ax.containers[0].lines
    np.testing.assert_allclose(point.get_xydata(), [[3, 0.1]])
    np.testing.assert_allclose(
        [bar.get_segments()[0] for bar in bars], [[[2, 0.1], [5, 0.1]], [[3, 0], [3, 0.2]]]
    )
    lone = ax.containers[2].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(lone, [[2, 0.4], [2, 0.4]])


def test_the_front_joins_what_is_on_it_by_steps():
    ax = tradeoff(METRICS)
    front = next(line for line in ax.lines if line.get_color() == FRONT)
    np.testing.assert_allclose(front.get_xydata(), [[2, 0.4], [3, 0.1]])
    assert front.get_drawstyle() == "steps-post"
    names = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert names == ["ada2ms(mixing=0.5)†", "adamw", "sgd", "Pareto front"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("test error (%)", "sensitivity S")


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="a label with test_error and sensitivity"):
        tradeoff(METRICS.iloc[3:])
