"""Curves of the best of k trials are those of the table."""

import numpy as np
import pytest

from analysis.figures.best_of_k import best_of_k_curves
from analysis.metrics.best_of_k import best_of_k


def test_best_of_k_has_the_tables_numbers_in_percent(hand):
    table = best_of_k(hand)
    ax = best_of_k_curves(table)
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xydata(), np.stack([table["k"], 100 * table["test_error"]], axis=1))
    vertices = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert vertices.max() == pytest.approx(100 * table["high"].max())
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "4"]
