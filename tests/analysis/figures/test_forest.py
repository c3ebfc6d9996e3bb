import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.figures.forest import FAR, forest, forest_rows

OURS = "ada2ms(mixing=0.5)"
NAMES = {OURS: f"{OURS}†", "adamw": "adamw"}


@pytest.fixture(scope="module")
def judged(comparison):
    return analysis.verdicts(comparison(), candidates=[OURS])


@pytest.fixture(scope="module")
def rows(judged):
    return forest_rows(judged)


def horizontal(ax, place):
    return [
        line.get_xdata()
        for line in ax.lines
        if np.allclose(line.get_ydata(), place) and len(line.get_xdata()) == 2
    ]


def test_rows_are_the_verdicts_parts_in_declared_margins(judged, rows):
    parts = judged[OURS].parts
    assert rows["part"].tolist() == ["R1", "R2", "G"]
    assert rows["conclusion"].unique().tolist() == [judged[OURS].conclusion] == ["keeps both"]
    np.testing.assert_allclose(rows["at"] * rows["declared"], parts["estimate"], rtol=1e-12)
    np.testing.assert_allclose(rows["at_margin"] * rows["declared"], parts["margin"], rtol=1e-12)
    np.testing.assert_allclose(rows["level"], 0.9)


def test_intervals_estimates_and_margins_are_drawn_where_the_table_says(rows):
    ax = forest(rows, NAMES)
    for place, (_, row) in enumerate(rows.iterrows(), start=1):
        np.testing.assert_allclose(horizontal(ax, place), [[row["at_low"], row["at_high"]]])
        middle = [line for line in ax.lines if np.array_equal(line.get_xydata(), [[row["at"], place]])]
        assert [line.get_marker() for line in middle] == ["o"]
        margin = [
            line.get_ydata() for line in ax.lines if np.array_equal(line.get_xdata(), [row["at_margin"]] * 2)
        ]
        assert any(np.allclose(ends, [place - 0.36, place + 0.36]) for ends in margin)


def test_conclusion_decisions_and_numbers_can_be_read(rows):
    ax = forest(rows, NAMES)
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [
        f"{OURS}†: keeps both",
        "sensitivity S, against adamw",
        "transfer regret T, against adamw",
        "test error E, against sgd",
    ]
    texts = [text.get_text() for text in ax.texts]
    assert texts[::2] == ["kept"] * 3
    error = rows.iloc[2]
    assert texts[5].startswith(f"{100 * error['estimate']:+.2f} [".replace("-", "−"))
    assert texts[5].endswith(f"pp, margin {100 * error['margin']:.2f}")
    assert "our reimplementation" in ax.figure.get_supxlabel()


def test_an_interval_beyond_the_axis_ends_in_an_arrow_and_missing_values_are_said():
    one = {
        "candidate": "adamw",
        "conclusion": "not testable",
        "reference": "sgd",
        "declared": 0.05,
        "level": 0.9,
    }
    far = one | {
        "endpoint": "S",
        "estimate": 0.1,
        "low": -1.0,
        "high": 0.2,
        "margin": 0.05,
        "decision": "inconclusive",
    }
    none = one | {"endpoint": "T", "estimate": np.nan, "low": np.nan, "high": np.nan, "margin": np.nan}
    table = pd.DataFrame([far, none | {"decision": "not testable"}])
    for place, value in (("at", "estimate"), ("at_low", "low"), ("at_high", "high"), ("at_margin", "margin")):
        table[place] = table[value] / table["declared"]
    ax = forest(table, NAMES)
    assert ax.get_xlim() == pytest.approx((-FAR, 1.15 * 4))
    np.testing.assert_allclose(horizontal(ax, 1), [[-FAR, 4]])
    assert [line.get_xdata()[0] for line in ax.lines if line.get_marker() == "<"] == [-FAR]
    assert [text.get_text() for text in ax.texts][2:] == ["not testable", "no values"]
