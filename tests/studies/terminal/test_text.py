"""Lines, numbers and tables, as the command prints them."""

import io
import logging
import math

import pytest
from rich.console import Console

from robustness.training import Engine
from studies.terminal.text import console, duration, engine_text, interval, notices, number, say, table


def screen():
    return Console(file=io.StringIO(), width=40)


def test_a_notice_is_printed_and_logged(caplog):
    shown, line = screen(), "no node has {GPU: 1}; waiting for one that has [4 nodes asked, a long line]"
    with caplog.at_level(logging.WARNING, "studies"):
        notices(shown)(line)
    assert shown.file.getvalue() == f"{line}\n"
    assert [(record.levelname, record.message) for record in caplog.records] == [("WARNING", line)]


def test_a_line_is_said_as_it_is_whatever_it_holds():
    shown = screen()
    say(shown, "[bold]no markup[/bold] and no break in a line that is longer than the screen")
    assert shown.file.getvalue().count("\n") == 1
    assert "[bold]no markup[/bold]" in shown.file.getvalue()


def test_texts_are_aligned_to_the_left_and_numbers_to_the_right():
    shown = screen()
    shown.print(table(("name", "trials"), [("a", 5), ("long name", 1234)]))
    lines = [line.strip() for line in shown.file.getvalue().splitlines() if "a" in line]
    short, long = lines[1:]
    assert (short[0], long[:9], short[-2:], long[-5:]) == ("a", "long name", " 5", " 1234")
    assert len(short) == len(long)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_a_duration_has_a_unit_that_suits_it(seconds, text):
    assert duration(seconds) == text


def test_numbers_that_are_not_known_are_dashes():
    assert number(math.nan, 2) == "–"
    assert interval(0.125, 0.115, 0.135, 1, 100) == "12.5 ± 1.0"
    assert interval(0.125, math.nan, math.nan, 3) == "0.125"


def test_an_engine_is_shown_with_the_measurement_that_chose_it():
    engine = Engine("fused", 64, False, {"fused": 1e-4, "sequential": 2.5e-3})
    text = engine_text(engine)
    assert text.startswith("fused, up to 64 trials at once (measured")
    assert "fused 0.1, sequential 2.5" in text
    assert "compiled" not in text


def test_off_screen_there_is_room_for_the_tables():
    assert console().width == 120  # under pytest, output is no terminal
