"""What is wrong with a study, in one line."""

import pytest
from pydantic import ValidationError

from studies.spec.problems import (
    NOTHING,
    Problem,
    blame,
    describe,
    did_you_mean,
    dotted,
    nearest,
    one_line,
    raise_all,
    shown,
    unknown_key,
)


def line_of(*problems):
    """Return the line that is shown for some problems."""
    with pytest.raises(ValidationError) as caught:
        raise_all(problems)
    return describe(caught.value, {})


def test_the_first_of_several_problems_is_named_and_the_others_are_counted():
    problems = [Problem(("a", 0), 3, "must be text"), Problem(("b",), NOTHING, "is required")]
    assert line_of(*problems[:1]) == "a[0]: 3: must be text"
    assert line_of(*problems) == "a[0]: 3: must be text (and 1 more problem)"
    assert line_of(*problems[::-1], problems[0]) == "b: nothing: is required (and 2 more problems)"


def test_a_misspelt_key_comes_first_and_the_missing_key_that_was_meant_is_not_counted():
    missing = Problem(("grid", "points"), NOTHING, "is required")
    misspelt = unknown_key(("grid", "pionts"), 9, ["decades", "points"])
    assert misspelt.meant == "points"
    line = "grid.pionts: 9: unknown key; allowed: decades, points (did you mean 'points'?)"
    assert line_of(missing, misspelt) == line
    present = missing._replace(value=0, rule="must be above 0")
    assert line_of(present, misspelt) == f"{line} (and 1 more problem)"


def test_a_rule_that_reads_like_another_kind_of_problem_is_not_taken_for_it():
    rules = ["unknown key; allowed: x", "is required"]
    first, second = (Problem((name,), 1, rule) for name, rule in zip("ab", rules, strict=True))
    assert line_of(second, first) == "b: 1: is required (and 1 more problem)"


@pytest.mark.parametrize(
    ("word", "allowed", "meant"),
    [
        ("momentun", ["lr", "momentum"], "momentum"),
        ("ada2ms", ["adamw", "ada2ms(mixing=0.5)"], "ada2ms(mixing=0.5)"),
        ("ADAMW", ["adamw"], "adamw"),
        ("zzz", ["lr", "momentum"], None),
        ("", ["lr"], None),
    ],
)
def test_the_nearest_word_begins_with_what_was_given_or_is_spelt_alike(word, allowed, meant):
    assert nearest(word, allowed) == meant
    assert did_you_mean(word, allowed) == (f" (did you mean {meant!r}?)" if meant else "")


def test_a_constructors_message_goes_to_the_first_value_that_it_names():
    values = {"lr": 1.0, "beta": 2.0}
    assert blame("beta must be in [0, 1), but got 2.0", values) == Problem(
        ("beta",), 2.0, "must be in [0, 1)"
    )
    assert blame("cannot be built", values) == Problem((), values, "cannot be built")


def test_whatever_a_message_quotes_it_is_one_short_line():
    assert one_line("a\n  b\tc") == "a b c"
    assert len(one_line("x" * 5000)) < 810
    assert shown(list(range(100))) == "[0, 1, 2, 3, ...]"
    assert shown(10**5000) == "<int>"
    assert dotted(("grid", "lr", 2, "my key")) == "grid.lr[2].'my key'"
