import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import analysis
from analysis.figures.gallery import FIGURES, draw_figures
from analysis.figures.styles import styles
from analysis.figures.theme import COLUMN_WIDTH, FORMATS, PAGE_WIDTH
from analysis.judgement.study_verdicts import StudyVerdicts

OURS = "ada2ms(mixing=0.5)"


@pytest.fixture(scope="module")
def drawn(comparison):
    trials = comparison().assign(init_loss=2.3, train_loss=0.1)
    judged = analysis.verdicts(trials, candidates=[OURS])
    with analysis.use_theme():
        return {one.name: one for one in draw_figures(trials, judged)}


def test_every_figure_is_drawn_or_has_a_reason(drawn):
    left_out = {name: one.reason for name, one in drawn.items() if one.figure is None}
    assert left_out == {
        "ablation": "no optimizer has variations that differ in a number, and a score",
        "plane": "no optimizer is varied in both exponents p and q",
        "distortion": "no second moments were looked at (diagnostics in the study file)",
        "profile": "needs 2 workloads or more: give the folders of several studies",
    }
    assert set(drawn) == set(FIGURES)
    assert [name for name, one in drawn.items() if one.task is None] == ["forest", "profile"]


def test_figures_are_as_wide_as_a_column_or_a_page(drawn):
    widths = {one.figure.get_figwidth() for one in drawn.values() if one.figure}
    assert widths == {COLUMN_WIDTH, PAGE_WIDTH}


def test_nothing_is_cut_off_at_the_edges(drawn):
    with analysis.use_theme():
        for name, one in drawn.items():
            if one.figure is not None:
                one.figure.draw_without_rendering()
                around, size = one.figure.get_tightbbox(), one.figure.get_size_inches()
                assert min(around.x0, around.y0) >= -0.01, name
                assert (size - around.max >= -0.01).all(), name


def test_variations_of_an_exponent_are_an_ablation_and_two_exponents_a_plane(comparison):
    base = comparison()
    ours = base[base["label"] == OURS]
    parts = [ours.assign(label=f"exponent_plane(p={p}, q={q})", optimizer="exponent_plane")
             for p in (0, 0.5) for q in (0, 0.25)]  # fmt: skip
    parts += [ours.assign(label=f"smes(exponent={value})", optimizer="smes") for value in (0, 0.25)]
    trials = pd.concat([base[base["label"] != OURS], *parts], ignore_index=True)
    made = {
        one.name: one.figure for one in draw_figures(trials, "none", only=frozenset({"ablation", "plane"}))
    }
    assert list(made) == ["ablation-smes", "plane-test-error", "plane-sensitivity"]
    assert {figure.get_figwidth() for figure in made.values()} == {COLUMN_WIDTH}
    assert "our reimplementation" in made["plane-sensitivity"].get_supxlabel()  # Ada2MS is on the plane
    assert made["ablation-smes"].get_supxlabel() == ""


def test_second_moments_are_drawn_task_by_task(comparison):
    both = pd.concat([comparison(), comparison().assign(task="second")], ignore_index=True)
    both["trial_id"] = [f"{number:x}" for number in range(len(both))]
    moments = both[["trial_id"]].assign(epoch=1, layer="weight", zeros=0.0, log_global=-4.0)
    moments = moments.assign(log_v_low=-6.0, log_v_median=-5.0, log_v_high=-3.0)
    made = list(draw_figures(both, "none", only=frozenset({"distortion"}), diagnostics=moments))
    assert [one.task for one in made] == sorted(both["task"].unique())
    titles = {ax.get_title().removesuffix("†") for ax in made[0].figure.axes}
    assert titles == set(both["label"])
    assert made[0].figure.get_figwidth() == PAGE_WIDTH
    other = moments.assign(trial_id="none of them")
    left_out = draw_figures(both, "none", only=frozenset({"distortion"}), diagnostics=other)
    assert {one.reason for one in left_out} == {"no best cell has second moments"}


def test_several_workloads_have_figures_of_their_own_and_a_profile(comparison):
    trials = pd.concat([comparison(), comparison("letters", rng=1)], ignore_index=True)
    made = list(draw_figures(trials, "none", only=frozenset({"best-of-k", "profile", "forest"})))
    assert [(one.task, one.name, one.reason) for one in made] == [
        ("digits", "best-of-k", ""), ("letters", "best-of-k", ""), (None, "forest", "none"), (None, "profile", ""),
    ]  # fmt: skip


def test_verdicts_come_by_candidate_or_as_the_reason_why_there_are_none(comparison):
    trials, forest = comparison(), frozenset({"forest"})
    judged = analysis.verdicts(trials, candidates=[OURS])
    for verdicts in (judged, StudyVerdicts(judged)):
        assert [one.reason for one in draw_figures(trials, verdicts, only=forest)] == [""]
    for verdicts in ("none declared", StudyVerdicts(reason="none declared")):
        assert [one.reason for one in draw_figures(trials, verdicts, only=forest)] == ["none declared"]
    assert StudyVerdicts(reason="no verdict: none").reason_sentence() == "No verdict: none."


def test_lines_of_too_many_labels_are_left_out(rows):
    cells = {(0.01, 0.0): [0.3], (0.1, 0.0): [0.2]}
    trials = pd.concat([rows(cells, label=f"o{i}") for i in range(11)], ignore_index=True)
    made = list(draw_figures(trials, "none", only=frozenset({"lr-error", "lr-loss"})))
    assert [one.reason for one in made] == [
        "11 labels cannot be told apart as lines (at most 10)", "the rows hold no train_loss",
    ]  # fmt: skip


POOR = {
    "one run": [{"cells": {(0.1, 0.0): [0.2]}}],
    "no usable run": [{"cells": {(0.1, 0.0): ["failed"]}, "label": f"ada2ms(mixing={m})"} for m in (0, 1)],
    "only divergence": [{"cells": {(0.1, 0.0): ["diverged"] * 2, (1.0, 0.0): ["diverged"] * 2}}],
    "no error at all": [{"cells": {(0.1, np.nan): [0.0, 0.0], (1.0, np.nan): [0.0, 0.0]}, "test_accuracy": 1.0}],
    "a search": [{"cells": {(0.1, 0.0): [0.2, 0.3]}, "role": "search"}],
    "a lost variation": [{"cells": {(0.1, 0.0): [0.2]}, "label": "o(p=0)"},
                         {"cells": {(0.1, 0.0): ["failed"]}, "label": "o(p=1)"}],
}  # fmt: skip


@pytest.mark.parametrize("name", POOR)
def test_poor_rows_are_drawn_or_left_out_with_a_reason(rows, name):
    trials = pd.concat(
        [rows(**part, init_loss=2.3, train_loss=0.1) for part in POOR[name]], ignore_index=True
    )
    made = list(draw_figures(trials, "none"))
    assert len(made) == len(FIGURES)
    for one in made:
        assert (one.figure is None) == bool(one.reason)
        if one.figure is not None:
            one.figure.draw_without_rendering()


def test_every_label_differs_from_the_others_without_its_colour():
    looks = styles([str(i) for i in range(10)]).values()
    assert len({(look.marker, str(look.dash)) for look in looks}) == 10
    greys = [
        0.299 * r + 0.587 * g + 0.114 * b for r, g, b in (mpl.colors.to_rgb(look.colour) for look in looks)
    ]
    assert max(greys) < 0.75  # dark enough on white


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_figure_is_the_same_file(drawn, tmp_path, suffix):
    paths = [analysis.save_figure(drawn["forest"].figure, tmp_path / name, [suffix])[0] for name in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with pytest.raises(ValueError, match="formats must be among png, pdf, svg, but got 'jpg'"):
        analysis.save_figure(drawn["forest"].figure, tmp_path / "c", ["jpg"])


def test_the_screen_has_the_same_layout_larger():
    with analysis.use_theme("screen"):
        assert (mpl.rcParams["figure.dpi"], mpl.rcParams["font.size"]) == (200, 8)
    with pytest.raises(ValueError, match="name must be one of paper, screen"), analysis.use_theme("slides"):
        pass
