import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.patches import Rectangle

import analysis
from analysis.figures.styles import decade_ticks, midpoint_edges, power_of_ten

OURS = "ada2ms(mixing=0.5)"


@pytest.fixture(scope="module")
def trials(rows, hand):
    ours = {
        (0.001, 0.0): [0.5, 0.5],
        (0.01, 0.0): [0.2, 0.2],
        (0.1, 0.0): ["diverged", "diverged"],
        (0.001, 1.0): [0.6, 0.6],
        (0.1, 1.0): ["failed", "failed"],
    }
    return pd.concat([hand, rows(ours, label=OURS), rows({(1.0, 0.0): [0.3, 0.3]}, label="sgd")])


@pytest.fixture(scope="module")
def figure(trials):
    return analysis.surface_grid(trials)


def panel(figure, start):
    return next(ax for ax in figure.axes if ax.get_title().startswith(start))


def hatches(ax):
    return sorted(
        patch.get_hatch() for patch in ax.patches if isinstance(patch, Rectangle) and patch.get_hatch()
    )


def test_one_panel_per_label_on_one_colour_scale(figure):
    meshes = [item for ax in figure.axes[:3] for item in ax.collections if isinstance(item, QuadMesh)]
    assert [ax.get_title() for ax in figure.axes[:3]] == ["ada2ms†\n(mixing=0.5)", "adamw", "sgd"]
    assert len(figure.axes) == 4
    np.testing.assert_allclose([mesh.get_clim() for mesh in meshes], [[20, 90]] * 3, rtol=1e-12)
    assert figure.axes[3].get_ylabel() == "validation accuracy (%)"


def test_colours_hold_percent_where_something_trained_and_nothing_elsewhere(figure):
    mesh = next(item for item in panel(figure, "ada2ms").collections if isinstance(item, QuadMesh))
    values = np.ma.filled(mesh.get_array(), np.nan)
    np.testing.assert_allclose(values, [[50, 80, np.nan], [40, np.nan, np.nan]], rtol=1e-9)


def test_the_star_sits_on_the_selected_cell(figure):
    for start, lr, row in (("adamw", 0.1, 1), ("ada2ms", 0.01, 0), ("sgd", 1.0, 0)):
        (star,) = panel(figure, start).lines
        assert star.get_marker() == "*"
        np.testing.assert_allclose(star.get_xydata(), [[np.log10(lr), row]], atol=1e-12)


def test_divergence_is_hatched_partly_or_wholly(figure):
    assert hatches(panel(figure, "adamw")) == ["////"]
    assert hatches(panel(figure, "ada2ms")) == ["xxxx"]
    assert hatches(panel(figure, "sgd")) == []


def test_the_outline_runs_around_the_cells_near_the_best(figure):
    lines = next(item for item in panel(figure, "adamw").collections if isinstance(item, LineCollection))
    segments = {tuple(map(tuple, np.round(segment, 9).tolist())) for segment in lines.get_segments()}
    # (0.1, 0) and (0.1, 1): one column, two rows
    assert segments == {
        ((-1.5, -0.5), (-1.5, 0.5)),
        ((-1.5, 0.5), (-1.5, 1.5)),
        ((-0.5, -0.5), (-0.5, 0.5)),
        ((-0.5, 0.5), (-0.5, 1.5)),
        ((-1.5, -0.5), (-0.5, -0.5)),
        ((-1.5, 1.5), (-0.5, 1.5)),
    }


def test_axes_are_labelled_in_powers_of_ten_and_zero_is_a_category(figure):
    adamw = panel(figure, "ada2ms")
    assert [text.get_text() for text in adamw.get_xticklabels()] == ["$10^{-3}$", "$10^{-2}$", "$10^{-1}$"]
    assert [text.get_text() for text in adamw.get_yticklabels()] == ["0", "1"]
    np.testing.assert_allclose(panel(figure, "adamw").get_xlim(), [-2.5, 0.5])


def test_the_reimplementation_is_marked_on_the_figure_where_it_is_shown(trials, figure):
    def legend(fig):
        return [text.get_text() for text in fig.legends[0].get_texts()]

    assert "Ada2MS: our reimplementation from the abstract" in legend(figure)
    assert {"some seeds diverged", "all seeds diverged", "no result"} < set(legend(figure))
    assert legend(analysis.surface_grid(trials, labels=["sgd"])) == [
        "best cell (by validation)",
        "within 1 percentage point of it",
    ]


def test_gradient_scale_planes_show_every_lr_of_the_label(rows, hand):
    scaled = rows({(0.1, 1.0): [0.4, 0.6]}, grad_scale=1e3)
    ax = analysis.surface_grid(pd.concat([hand, scaled]), y="grad_scale").axes[0]
    values = np.ma.filled(next(m for m in ax.collections if isinstance(m, QuadMesh)).get_array(), np.nan)
    np.testing.assert_allclose(values, [[70, 90, 20], [np.nan, 50, np.nan]], rtol=1e-9)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["1", "$10^{3}$"]


def test_labels_with_hardly_a_level_in_common_have_rows_of_their_own(rows):
    grids = {"adamw": [0.0, 0.1, 1.0], "sgd": [0.0, 1e-4, 1e-3], "smes": [0.0, 0.02, 0.2]}
    trials = pd.concat(
        rows({(0.1, decay): [0.1, 0.2] for decay in decays}, label=label) for label, decays in grids.items()
    )
    panels = analysis.surface_grid(trials).axes[:3]
    told = [[text.get_text() for text in ax.get_yticklabels()] for ax in panels]
    assert told[:2] == [["0", "$10^{-1}$", "1"], ["0", "$10^{-4}$", "$10^{-3}$"]]
    meshes = [next(m for m in ax.collections if isinstance(m, QuadMesh)) for ax in panels]
    assert not any(np.ma.getmaskarray(mesh.get_array()).any() for mesh in meshes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "letters"}, "task must be one of digits, but got 'letters'"),
        ({"labels": ["adam"]}, "labels must be distinct ones of"),
        ({"delta": -1}, "delta must be in"),
    ],
)
def test_what_cannot_be_drawn_is_refused(trials, arguments, message):
    with pytest.raises(ValueError, match=message):
        analysis.surface_grid(trials, **arguments)


def test_several_tasks_need_one_to_be_named(hand):
    both = pd.concat([hand, hand.assign(task="letters")])
    with pytest.raises(ValueError, match="task must be one of digits, letters, but got None"):
        analysis.surface_grid(both)
    assert len(analysis.surface_grid(both, task="letters").axes) == 2
    with pytest.raises(ValueError, match="must have grid rows"):
        analysis.surface_grid(hand.iloc[:0])


def test_a_study_without_any_usable_run_is_drawn_blank(rows):
    figure = analysis.surface_grid(rows({(0.1, 0.0): ["failed"], (1.0, 0.0): ["failed"]}))
    assert len(figure.axes[0].lines) == 0


def test_files_are_written_with_embedded_fonts(figure, tmp_path):
    png, pdf = analysis.save_figure(figure, tmp_path / "new" / "mixing=0.5")
    assert (png.name, pdf.name) == ("mixing=0.5.png", "mixing=0.5.pdf")
    assert png.read_bytes().startswith(b"\x89PNG")
    content = pdf.read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_drawing_leaves_the_settings_alone_and_a_theme_is_undone(trials):
    before = dict(mpl.rcParams)
    analysis.surface_grid(trials, labels=["sgd"])
    with analysis.use_theme():
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["font.size"] == 8
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (3.0, "3"),
        (1e-4, "$10^{-4}$"),
        (1e3, "$10^{3}$"),
        (10**-2.5, "$10^{-2.5}$"),
        (3e-4, r"$3\times10^{-4}$"),
        (0.05, r"$5\times10^{-2}$"),
        (float("nan"), "none"),
    ],
)
def test_powers_of_ten(value, text):
    assert power_of_ten(value) == text


def test_ticks_are_whole_decades_where_two_fit_in():
    np.testing.assert_allclose(decade_ticks([3e-5, 3e-3, 3e-1]), [1e-4, 1e-3, 1e-2, 1e-1])
    np.testing.assert_allclose(decade_ticks([1e-8, 1e-1]), [1e-8, 1e-6, 1e-4, 1e-2])
    np.testing.assert_allclose(decade_ticks([2e-3, 5e-3]), [2e-3, 5e-3])


def test_edges_lie_halfway_between_cells():
    np.testing.assert_allclose(midpoint_edges(np.array([0.0, 1.0, 3.0])), [-0.5, 0.5, 2.0, 4.0])
    np.testing.assert_allclose(midpoint_edges(np.array([2.0])), [1.75, 2.25])
