"""The HTML report of tasks judged by macro F1, by error and by a loss, as a reader sees it in headless Chromium."""

import shutil

import numpy as np
import pytest

import analysis
from analysis.page.page import page as html_page

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")


@pytest.fixture(scope="module")
def window(tmp_path_factory, suite_rows, suite_curves):
    path = tmp_path_factory.mktemp("page") / "report.html"
    tables = {"summary": analysis.summary(suite_rows), **analysis.tables(suite_rows)}
    path.write_text(
        html_page(suite_rows, title="suite", tables=tables, curves=suite_curves), encoding="utf-8"
    )
    said = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1100, "height": 900})
        opened.on("console", lambda message: said.append(message.text))
        opened.on("pageerror", lambda error: said.append(str(error)))
        opened.goto(path.as_uri())
        opened.wait_for_selector("html[data-ready]", timeout=60_000)
        yield opened
        browser.close()
    assert said == []


def shown(window, task):
    """Go to a task; return what its selects offer, its surface's first line, its words and its colour bar."""
    window.select_option("#task", label=task)
    offered = [window.eval_on_selector_all(f"#{name} option", "all => all.map(one => one.text)")
               for name in ("metric", "curve")]  # fmt: skip
    line = window.eval_on_selector(
        "#surface-table tbody tr", "row => [...row.cells].map(cell => cell.textContent)"
    )
    bar = window.evaluate("document.getElementById('surface').data[0].colorbar.title.text")
    return *offered, line[1:], window.inner_text("#surface-words"), bar


def colours(window):
    """Return what the worst and the best end of the colour scale are, and what is drawn where all diverged."""
    return window.evaluate("(({ zmin, zmax, z, reversescale }) => [zmin, zmax, z[0][2], reversescale])"
                           "(document.getElementById('surface').data[0])")  # fmt: skip


def test_macro_f1_is_shown_by_name_in_percent_and_bright_where_it_is_large(window):
    metrics, curves, line, words, bar = shown(window, "digits")
    assert metrics[0] == curves[0] == "validation macro F1"
    assert "validation error" in metrics
    assert line == ["56.3", "75.0", "diverged"]
    assert "validation macro F1 of 3 cells, from 56.25 % to 75.00 %; 1 cells diverged" in words
    assert bar == "validation macro F1 (%)"
    assert colours(window) == [50, 75, 50, False]
    window.select_option("#seeds", label="best seed")
    assert shown(window, "digits")[2][0] == "62.5"
    window.select_option("#seeds", label="worst seed")
    assert shown(window, "digits")[2][0] == "50.0"
    window.select_option("#seeds", label="mean over seeds")


def test_a_loss_is_shown_in_nats_and_bright_where_it_is_small(window):
    metrics, curves, line, words, bar = shown(window, "text")
    assert metrics == curves == ["validation loss", "test loss"]
    assert line == ["1.25", "0.5", "diverged"]
    assert "validation loss of 3 cells, from 0.5 nats to 1.25 nats" in words
    assert bar == "validation loss (nats)"
    assert colours(window) == [0.5, 1.5, 1.5, True]
    assert window.text_content("#surface-table caption").startswith("validation loss, nats; /")


def test_a_task_by_error_is_shown_as_ever(window):
    metrics, curves, line, _, bar = shown(window, "plain")
    assert metrics == ["validation error", "test error", "validation loss"]
    assert curves[0] == "validation error"
    assert line == ["30.0", "10.0", "diverged"]
    assert (bar, colours(window)[3]) == ("%", True)


def test_a_cell_shows_the_metric_of_its_trials_and_its_curve(window):
    window.select_option("#metric", label="validation error")
    assert shown(window, "plain")[4] == "%"
    assert shown(window, "digits")[4] == "validation macro F1 (%)"  # a task's own metric stands for another's
    window.eval_on_selector("#surface-table tbody tr", "row => row.cells[2].click()")
    window.wait_for_selector("#curves .js-line")
    assert window.inner_text("#details-title").endswith(
        "validation macro F1 75.00 %, 2 trials, the validation-best cell"
    )
    assert "validation macro F1" in window.inner_text("#trials-table thead")
    plot = "document.getElementById('curves')"
    np.testing.assert_allclose(window.evaluate(f"{plot}.data[0].y"), [37.5, 75])
    assert window.evaluate(f"{plot}.layout.yaxis.title.text") == "validation macro F1 (%)"
    assert "validation macro F1 75.00 %" in window.evaluate(
        "document.getElementById('surface').data[0].text[0][1]"
    )
