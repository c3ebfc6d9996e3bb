"""The HTML report as a reader uses it: in headless Chromium, from disk, every control, by what the screen shows."""

import io
import re
import shutil

import numpy as np
import pytest
from matplotlib import colormaps, image

import analysis
from analysis.page.page import page as html_page

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")

EVIL = "<img src=x onerror=window.hacked=1>"
TITLE = "study <script>window.hacked=1</script>"
HOME = "#optimizer=ada2ms&x=lr&y=weight_decay&at.grad_scale=1&at.mixing=0"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory, page_rows, page_curves):
    path = tmp_path_factory.mktemp("page") / "report.html"
    tables = {"summary": analysis.summary(page_rows), **analysis.tables(page_rows)}
    text = html_page(
        page_rows, title=TITLE, tables=tables, verdict=[f"{EVIL} is worse.\nR1: by .5"], curves=page_curves,
        hyperparameters=["mixing"], provenance=[{"study": TITLE}],
    )  # fmt: skip
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def opened(browser, address):
    """Open the page at a fragment in a window of its own; at the end nothing was said, and nothing asked for."""
    windows, said, asked = [], [], []

    def open_at(fragment, **options):
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 900}, **options})
        window = context.new_page()
        window.on("console", lambda message: said.append(message.text))
        window.on("pageerror", lambda error: said.append(str(error)))
        window.on("request", lambda request: asked.append(request.url))
        window.goto(address + fragment)
        window.wait_for_selector("html[data-ready]", timeout=60_000)
        windows.append(context)
        return window

    yield open_at
    hacked = [window.evaluate("window.hacked") for context in windows for window in context.pages]
    for context in windows:
        context.close()
    assert said == []
    assert {url.partition("#")[0] for url in asked if not url.startswith("data:")} == {address}
    assert set(hacked) == {None}


@pytest.fixture(scope="module")
def window(opened):
    return opened(HOME)


@pytest.fixture
def at(window):
    """Go to a fragment in the window that the tests share."""

    def go(fragment):
        window.evaluate("fragment => { location.hash = fragment }", fragment)
        window.wait_for_function("() => !location.hash.includes('go=')")
        return window

    return go


def words(window):
    return window.inner_text("#surface-words")


def surface(window):
    """Return the surface's table as text, the greatest y first, without its headers."""
    return window.eval_on_selector_all(
        "#surface-table tbody tr",
        "rows => rows.map(row => [...row.cells].slice(1).map(cell => cell.textContent))",
    )


def place(window, column, line):
    """Return the middle of a cell in pixels of the whole page."""
    return window.evaluate(
        """([column, line]) => {
            const plot = document.getElementById("surface"), box = plot.getBoundingClientRect();
            const { xaxis, yaxis } = plot._fullLayout;
            const left = box.left + scrollX + xaxis._offset, top = box.top + scrollY + yaxis._offset;
            return [left + xaxis.l2p(column), top + yaxis.l2p(line)];
        }""",
        [column, line],
    )


def pixels(window):
    window.wait_for_timeout(300)
    return image.imread(io.BytesIO(window.screenshot(full_page=True)))[..., :3]


def test_names_are_text_and_the_words_come_first(window):
    assert window.inner_text("h1") == TITLE
    assert window.title() == TITLE
    assert window.inner_text(".verdict p") == f"{EVIL} is worse."
    assert window.locator("img").count() == 0
    headings = window.locator("h2").all_inner_texts()
    assert headings == ["Verdict", "Tables", "Surfaces", "Provenance"]


def test_the_surface_has_the_means_over_seeds(at):
    window = at(HOME + "&metric=val_error&seeds=mean")
    assert surface(window) == [["20.5", "10.5", "20.5", "30.5"]] * 2
    said = "validation error of 8 cells, from 10.50 % to 30.50 %; 0 cells diverged."
    assert words(window) == f"ada2ms at gradient scale 1, mixing 0: {said}"


@pytest.mark.parametrize(
    ("control", "value", "first_line"),
    [
        ("#optimizer", EVIL, ["30.5", "20.5", "30.5", "diverged"]),
        ("#x", "gradient scale", ["10.5", "40.5"]),
        ("#y", "mixing", ["40.0", "30.5", "40.5", "50.5"]),
        ("#metric", "test error", ["21.5", "11.5", "21.5", "31.5"]),
        ("#metric", "training error", ["18.5", "8.5", "18.5", "28.5"]),
        ("#metric", "validation loss", ["2.05", "1.05", "2.05", "3.05"]),
        ("#seeds", "worst seed", ["21.0", "11.0", "21.0", "31.0"]),
        ("#seeds", "best seed", ["20.0", "10.0", "20.0", "30.0"]),
        ("#seeds", "seed 1 alone", ["21.0", "11.0", "21.0", "31.0"]),
    ],
)
def test_every_select_changes_the_surface(at, control, value, first_line):
    window = at(HOME)
    window.select_option(control, label=value)
    assert surface(window)[0] == first_line


def test_sliders_run_over_what_is_not_shown_by_keyboard(at):
    window = at(HOME)
    window.focus("#at-mixing")
    for expected in ("0.5", "1"):
        window.keyboard.press("ArrowRight")
        assert window.get_attribute("#at-mixing", "aria-valuetext") == expected
    assert surface(window) == [["", "30.5", "40.5", "50.5"], ["40.0", "30.5", "40.5", "50.5"]]
    assert "at.mixing=1" in window.url
    window.fill("#at-grad_scale", "1")
    assert surface(window)[0] == ["", "60.5", "70.5", "80.5"]


def test_worst_counts_one_diverged_seed_and_best_none(at):
    window = at(f"#optimizer={EVIL}&seeds=mean&y=weight_decay")
    assert surface(window)[1] == ["30.5", "20.5", "30.5", "65.5 /"]
    window.select_option("#seeds", label="worst seed")
    assert surface(window)[1][3] == "diverged"
    window.select_option("#seeds", label="best seed")
    assert surface(window)[1][3] == "41.0 /"
    window.select_option("#seeds", label="seed 0 alone")
    assert surface(window)[1][3] == "diverged"


def test_pixels_have_the_colours_of_one_scale_for_all(at):
    window = at(HOME.replace("mixing=0", "mixing=1") + "&metric=val_error")
    seen = pixels(window)
    low, high = 0.10, 0.81
    paper = seen[5, 5]
    for column, line, error in ((0, 0, 0.4), (2, 0, 0.405), (3, 1, 0.505)):
        x, y = (int(value) for value in place(window, column, line))
        expected = colormaps["viridis"](1 - (error - low) / (high - low))[:3]
        np.testing.assert_allclose(seen[y + 12, x + 12], expected, atol=0.03)
    x, y = (int(value) for value in place(window, 0, 1))
    np.testing.assert_allclose(seen[y, x], paper, atol=0.01)
    x, y = (int(value) for value in place(window, 1, 0))
    np.testing.assert_allclose(seen[y, x], [1, 1, 1], atol=0.05)


def test_diverged_cells_are_crossed_and_as_bad_as_can_be(at):
    window = at(f"#optimizer={EVIL}&y=weight_decay&seeds=mean")
    seen = pixels(window)
    x, y = (int(value) for value in place(window, 3, 1))
    np.testing.assert_allclose(seen[y, x], [1, 1, 1], atol=0.05)
    np.testing.assert_allclose(seen[y + 14, x + 14], colormaps["viridis"](0.0)[:3], atol=0.03)
    x, y = (int(value) for value in place(window, 3, 0))
    np.testing.assert_allclose(seen[y, x], [1, 0.3, 0], atol=0.1)


def point_at(window, column, line):
    """Move the mouse over a cell, and return what appears beside it."""
    window.evaluate("document.getElementById('surface').scrollIntoView()")
    x, y = place(window, column, line)
    for step in (0, 3):
        window.mouse.move(x + step, y + step - window.evaluate("scrollY"))
        window.wait_for_timeout(100)
    return window.text_content(".hovertext")


def test_pointing_at_a_cell_shows_its_trials(at):
    text = point_at(at(f"#optimizer={EVIL}&y=weight_decay"), 3, 0)
    assert "learning rate 1, weight decay 0" in text
    assert "seed 0: diverged" in text
    assert "seed 1: 41.00 %" in text


def test_a_click_shows_learning_curves_and_the_trials(at):
    window = at(HOME)
    point_at(window, 2, 0)
    window.mouse.down()
    window.mouse.up()
    window.wait_for_selector("#curves .js-line")
    title = "learning rate 0.1, weight decay 0: validation error 20.50 %, 2 trials"
    assert window.inner_text("#details-title") == title
    curves = window.evaluate("document.getElementById('curves').data.map(line => [line.name, ...line.y])")
    assert [line[0] for line in curves] == ["seed 0, completed", "seed 1, completed"]
    np.testing.assert_allclose(curves[0][1:], [90, 55, 20], atol=0.01)
    assert window.locator("#trials-table tbody tr").count() == 2
    assert window.locator("#trials-table .id").first.inner_text() == f"{16:016x}"
    window.select_option("#curve", label="training loss")
    loss = window.evaluate("document.getElementById('curves').data[0].y")
    np.testing.assert_allclose(loss, [1, 0.5, 0.25], rtol=1e-3)
    assert "cell=0.1+0" in window.url


def test_the_address_brings_the_same_view_back(opened, at):
    fragment = "#optimizer=ada2ms&x=mixing&y=lr&metric=test_error&seeds=worst&curve=test_error"
    fragment += "&at.weight_decay=0.1&at.grad_scale=100&cell=0.5+0.01"
    again = opened(fragment)
    assert again.evaluate("location.hash") == fragment
    assert again.input_value("#x") == "mixing"
    again.wait_for_selector("#curves .js-line")
    before = surface(again)
    assert surface(at(fragment)) == before
    lost = at("#optimizer=nobody&x=?&metric=%00&at.mixing=7&cell=1")
    assert surface(lost) == surface(at(HOME))


def test_a_keyboard_alone_reaches_a_cell(at):
    window = at(HOME)
    window.focus("summary:text('The surface as a table')")
    window.keyboard.press("Enter")
    window.keyboard.press("Tab")
    for key in ("ArrowDown", "ArrowRight", "End"):
        window.keyboard.press(key)
    focused = window.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "learning rate 1, weight decay 0: validation error 30.50 %, 2 trials"
    window.keyboard.press("Enter")
    assert window.inner_text("#details-title") == focused
    assert window.evaluate("document.activeElement.getAttribute('aria-selected')") == "true"


def test_every_control_and_picture_has_a_name(window):
    unnamed = window.evaluate(
        """[...document.querySelectorAll("select, input, [role=img], [role=region], [role=group], [role=grid]")]
            .filter(one => !one.getAttribute("aria-label") && !one.closest("label")?.textContent.trim()).length"""
    )
    assert unnamed == 0
    assert window.get_attribute("#surface", "aria-label") == words(window)


def test_columns_sort(window):
    header = window.locator("table.sortable").first.locator("th", has_text=re.compile("^Test accuracy"))
    column = "document.querySelector('table.sortable').tBodies[0]"
    header.locator("button").click()
    ascending = window.evaluate(f"[...{column}.rows].map(row => Number(row.cells[4].dataset.value))")
    assert ascending == sorted(ascending)
    assert header.get_attribute("aria-sort") == "ascending"
    header.locator("button").click()
    assert window.evaluate(f"Number({column}.rows[0].cells[4].dataset.value)") == max(ascending)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_by_day_and_by_night(opened, scheme):
    phone = {"width": 360, "height": 740}
    window = opened(HOME, viewport=phone, color_scheme=scheme, is_mobile=True, has_touch=True)
    assert window.evaluate("document.documentElement.scrollWidth") == 360
    seen = pixels(window)
    assert (seen[5, 5].mean() < 0.2) == (scheme == "dark")
    left, top = (int(value) for value in place(window, 0, 0))
    np.testing.assert_allclose(seen[top, left], colormaps["viridis"](1 - 0.105 / 0.71)[:3], atol=0.03)
    window.locator("#surface").scroll_into_view_if_needed()
    x, y = place(window, 1, 1)
    window.touchscreen.tap(x, y - window.evaluate("scrollY"))
    window.wait_for_selector("#curves .js-line")
    assert "0.001" in window.locator("#surface .xtick text").all_text_contents()
