"""The HTML report: what it carries, and in how many bytes."""

import base64
import json
import struct
import zlib

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import analysis
from analysis.page.curves import packed_curves
from analysis.page.figures import PageFigures
from analysis.page.packing import codes_type, packed
from analysis.page.page import page
from analysis.page.tables import page_tables
from analysis.page.trials import explored, packed_trials

EVIL = "<img src=x onerror=window.hacked=1>"


def unpacked(text):
    """Read what `packed` wrote, by its description."""
    content = zlib.decompress(base64.b64decode(text))
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    arrays = {
        name: np.frombuffer(content, f"<{np.dtype(kind).str[1:]}", count, 4 + length + offset)
        for name, (kind, offset, count) in header["arrays"].items()
    }
    return header, arrays


def test_arrays_come_back_at_multiples_of_eight_bytes():
    arrays = {"a": np.arange(3, dtype=np.uint8), "b": np.array([1.5, np.nan], dtype=np.float32)}
    header, read = unpacked(packed({"é": 1}, arrays))
    assert header["é"] == 1
    np.testing.assert_array_equal(read["a"], [0, 1, 2])
    np.testing.assert_array_equal(read["b"], arrays["b"])
    assert all(offset % 8 == 0 for _, offset, _ in header["arrays"].values())
    with pytest.raises(ValueError, match="c must be one of uint8.* but is float64"):
        packed({}, {"c": np.zeros(1)})


def test_codes_take_the_smallest_type():
    assert [codes_type(n) for n in (1, 256, 257, 65536, 65537)] == [
        np.uint8, np.uint8, np.uint16, np.uint16, np.uint32
    ]  # fmt: skip


def test_trials_are_codes_into_lists_and_diverged_ones_have_the_error_of_guessing(page_rows):
    rows = explored(page_rows)
    header, arrays = unpacked(packed_trials(rows, ["mixing", "beta1"]))
    assert [entry["name"] for entry in header["entries"]] == [EVIL, "ada2ms"]
    axes = {axis["name"]: axis["values"] for axis in header["axes"]}
    assert axes == {
        "lr": [1e-3, 1e-2, 1e-1, 1], "weight_decay": [0, 0.1], "grad_scale": [1, 100], "mixing": [0, 0.5, 1, None]
    }  # fmt: skip
    assert [axes["lr"][code] for code in arrays["lr"]] == rows["lr"].tolist()
    error = arrays["val_error"]
    np.testing.assert_allclose(error[rows["status"] == "diverged"], 0.9, rtol=1e-6)
    assert np.isnan(error[rows["status"] == "failed"]).all()
    assert np.isnan(arrays["val_loss"][rows["status"] == "diverged"]).all()
    ids = [f"{high:08x}{low:08x}" for high, low in zip(arrays["id_high"], arrays["id_low"], strict=True)]
    assert ids == rows["trial_id"].tolist()


def test_the_selected_cells_are_those_of_the_analysis_the_best_label_first(page_rows):
    rows = explored(page_rows)
    header, _ = unpacked(packed_trials(rows, ["mixing"]))
    selected = rows.loc[header["selected"]]
    assert selected["label"].tolist()[0] == "ada2ms(mixing=0.0)"
    expected = analysis.selected_cells(rows).set_index("label")[["lr", "weight_decay"]]
    pd.testing.assert_frame_equal(
        selected.set_index("label")[["lr", "weight_decay"]].sort_index(), expected.sort_index()
    )


def test_labels_that_no_axis_tells_apart_are_chosen_by_themselves(page_rows):
    rows = explored(page_rows).assign(mixing=0.5)
    header, _ = unpacked(packed_trials(rows, ["mixing"]))
    names = [entry["name"] for entry in header["entries"]]
    assert names == [EVIL, "ada2ms(mixing=0.0)", "ada2ms(mixing=0.5)", "ada2ms(mixing=1.0)"]


def test_curves_of_trials_come_back_to_a_65534th(page_rows, page_curves):
    rows = explored(page_rows)
    header, arrays = unpacked(packed_curves(rows, page_curves, ["mixing"]))
    assert (header["means"], header["epochs"]) == (False, [0, 1, 2])
    values = arrays["values"].reshape(-1, 3, 2, 3)[arrays["unit"]]
    done = (rows["status"] == "completed").to_numpy()
    np.testing.assert_allclose(values[done, 1, 0, 2] / 65534, 1 - rows["val_accuracy"][done], atol=1e-5)
    low, high = header["loss"]
    loss = np.exp(low + values[done, 0, 1] / 65534 * (high - low))
    np.testing.assert_allclose(loss, np.tile([1, 0.5, 0.25], (done.sum(), 1)), rtol=1e-4)
    assert (values[~done] == 65535).all()


def test_curves_that_are_too_many_are_means_over_seeds_and_then_thinned(page_rows, page_curves):
    rows = explored(page_rows)
    assert unpacked(packed_curves(rows, page_curves, ["mixing"], 18 * 126))[0]["means"] is False
    header, arrays = unpacked(packed_curves(rows, page_curves, ["mixing"], 18 * 63))
    assert (header["means"], header["epochs"]) == (True, [0, 1, 2])
    cell = (rows["label"] == "ada2ms(mixing=0.0)") & (rows["lr"] == 0.01) & (rows["grad_scale"] == 1)
    units = arrays["unit"][cell & (rows["weight_decay"] == 0)]
    assert len(set(units)) == 1
    last = arrays["values"].reshape(-1, 3, 2, 3)[units[0], 1, 0, 2] / 65534
    assert last == pytest.approx((0.10 + 0.11) / 2, abs=1e-5)
    header, _ = unpacked(packed_curves(rows, page_curves, ["mixing"], 12 * 63))
    assert (header["epochs"], header["all_epochs"]) == ([0, 2], 3)


def test_tables_show_the_numbers_of_the_latex_tables(comparison):
    rows = comparison()
    tables = {"summary": analysis.summary(rows), **analysis.tables(rows)}
    made = {table.title: table for table in page_tables(tables)}
    assert "Cross-task sensitivity" not in made
    metrics = made["Metrics"]
    assert [header.name for header in metrics.headers][:3] == ["Optimizer", "Test error, %", "S"]
    first = tables["metrics"].iloc[0]
    half = 50 * (first["test_error_high"] - first["test_error_low"])
    assert metrics.rows[0][1].shown == f"{100 * first['test_error']:.2f} ± {half:.2f}"
    assert [row[1].classes for row in metrics.rows].count("best") >= 1


def test_names_are_escaped_and_what_is_missing_is_left_out(page_rows):
    rows = page_rows
    title = "<script>window.hacked=1</script>"
    made = page(rows, title=title, tables={}, verdict=[f"Kept: {EVIL}\nrest"], provenance=[{"who": title}])
    assert title not in made
    assert EVIL not in made
    assert made.count("&lt;script&gt;window.hacked=1") == 3
    assert "our reimplementation from the abstract" in made
    assert 'id="curves-data"' not in made
    assert "declares no verdict" in page(rows, title="t", tables={})


def test_the_verdicts_figures_stand_beside_it_and_the_others_below(page_rows):
    figures = PageFigures(verdict={"margins": Figure()}, others={"Verdict of others": Figure()})
    text = page(page_rows, title="t", tables={}, figures=figures)
    order = [
        text.index(part) for part in ("<figcaption>margins", 'id="tables"', "<figcaption>Verdict of others")
    ]
    assert order == sorted(order)
