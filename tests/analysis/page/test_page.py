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
from analysis.judgement.study_verdicts import StudyVerdicts
from analysis.page.curves import packed_curves
from analysis.page.figures import PageFigures, page_figures
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


def test_tasks_show_their_own_metrics_and_those_by_error_their_errors(suite_rows):
    header, arrays = unpacked(packed_trials(explored(suite_rows)))
    assert header["tasks"] == ["digits", "plain", "text"]
    metrics = {one["name"]: one for one in header["metrics"]}
    assert next(iter(metrics)) == "val_metric"
    f1 = {"title": "validation macro F1", "percent": True, "unit": "%", "direction": "max"}
    loss = {"title": "validation loss", "percent": False, "unit": "nats", "direction": "min"}
    assert metrics["val_metric"]["of_task"] == [f1, None, loss]
    assert metrics["val_error"]["of_task"] == [{}, {}, None]
    assert metrics["val_loss"]["of_task"] == [{}, {}, None]
    assert metrics["val_metric"]["range"][0] == [0.5, 0.75]
    digits = arrays["task"] == 0
    np.testing.assert_array_equal(arrays["val_metric"][digits], [0.5, 0.625, 0.75, 0.75, 0.25, 0.25])
    assert np.isnan(arrays["val_metric"][arrays["task"] == 1]).all()
    best = explored(suite_rows).loc[header["selected"]]
    assert dict(zip(best["task"], best["lr"], strict=True)) == {"digits": 0.1, "plain": 0.1, "text": 0.1}


def test_curves_carry_the_metric_as_it_is_where_a_task_is_judged_by_it(suite_rows, suite_curves, page_rows):
    header, arrays = unpacked(packed_curves(explored(suite_rows), suite_curves))
    values = arrays["metric"].reshape(-1, 3, 2)[arrays["unit"]]
    np.testing.assert_array_equal(values[2, 1], [0.375, 0.75])
    assert np.isnan(values[2, 0]).all()
    # 18 units of 3 splits and 2 epochs: 4 values of error and loss each, and a metric of twice their size
    assert header["means"] is False
    assert unpacked(packed_curves(explored(suite_rows), suite_curves, most=18 * 3 * 2 * 4 - 1))[0]["means"]
    by_error = suite_curves.assign(trial_id=page_rows["trial_id"].iloc[0])
    assert "metric" not in unpacked(packed_curves(explored(page_rows), by_error))[1]


def test_tables_and_captions_name_the_metric_where_a_task_is_judged_by_one(suite_rows):
    text = suite_rows[suite_rows["task"] == "text"]
    made = {table.title: table for table in page_tables({"summary": analysis.summary(text)})}
    names = [header.name for header in made["Summary"].headers]
    assert names[3:5] == ["Validation loss, nats", "Test loss, nats"]
    assert [cell.shown for cell in made["Summary"].rows[0][3:5]] == ["0.500", "0.516 ± 0.000"]
    assert "within 1 % of D_w" in made["Summary"].caption
    assert "accuracy" not in made["Summary"].caption
    mixed = page_tables({"summary": analysis.summary(suite_rows)})[0]
    assert [header.name for header in mixed.headers][:4] == ["Task", "Optimizer", "Metric", "Unit"]
    drawn = page_figures(suite_rows, StudyVerdicts(), analysis.tables(suite_rows)).others
    captions = [caption for caption in drawn if "over the learning rate, mean" in caption]
    assert [caption.partition(" over")[0] for caption in captions] == [
        "Validation macro F1 (%)", "Validation error", "Validation loss (nats)"
    ]  # fmt: skip
    assert "Test loss (nats) of the best of k random cells (text)" in drawn
