"""Malformed study files, a few of those that ``tests/faults/malformed_studies.py`` tries."""

import runpy
from pathlib import Path

import pytest

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "faults" / "malformed_studies.py"))


def test_changed_studies_are_refused_in_one_line_or_valid():
    counts = SCRIPT["fuzz"](40, 7)
    assert counts["refused"] > 20
    assert counts["valid"] > 0


@pytest.mark.parametrize("content", SCRIPT["NO_STUDIES"], ids=lambda content: repr(content[:12]))
def test_what_is_no_study_is_refused_in_one_line(tmp_path, content):
    assert SCRIPT["checked"](tmp_path / "study.yaml", content) == "refused"


@pytest.mark.parametrize("value", ["1e" + "9" * 2000, "{a: " + "x" * 9000 + "}", "!!int " + "9" * 5000])
def test_messages_are_short_whatever_they_quote(tmp_path, value):
    content = f"name: a\nbudget: {value}\n".encode()
    assert SCRIPT["checked"](tmp_path / "study.yaml", content) == "refused"


@pytest.mark.parametrize("name", SCRIPT["TRAPS"])
def test_what_was_taken_in_silence_is_refused_in_one_line(tmp_path, name):
    assert SCRIPT["checked"](tmp_path / "study.yaml", SCRIPT["trap"](name)) == "refused"


def test_the_whole_training_split_is_a_batch(tmp_path):
    content = SCRIPT["trap"]("a batch of a word").replace(b"all", b"full")
    assert SCRIPT["checked"](tmp_path / "study.yaml", content) == "valid"
