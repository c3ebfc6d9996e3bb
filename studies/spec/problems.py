"""What is wrong with a study, in one line: ``file: key: value: what is allowed (did you mean 'x'?)``."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

LONGEST_LINE = 800

Location = tuple[int | str, ...]

RULES = {
    "float_type": "must be a number",
    "int_type": "must be an integer",
    "string_type": "must be text",
    "finite_number": "must be finite",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "too_short": "must not be empty",
    "invalid_key": "a key must be text",
    "missing": "is required",
}

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxtuple, _SHORT.maxdict = 2, 4, 4, 4
_SHORT.maxstring = _SHORT.maxother = 60


class _Nothing:
    """What is shown where a value is required and none is given."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()


class Problem(NamedTuple):
    """One thing that is wrong with a study.

    Attributes:
        location: Where: keys, and indices of lists, from the whole study down.
        value: What is there; ``NOTHING`` where something is required and not given.
        rule: What is allowed instead.
        unknown: Whether there is no such key, whatever its value.
        meant: The key that was probably meant by an unknown one.
    """

    location: Location
    value: object
    rule: str
    unknown: bool = False
    meant: str | None = None


def one_line(text: str) -> str:
    """Return ``text`` in one line, whatever it quotes; a line longer than 800 characters is cut in its middle."""
    line = " ".join(text.split())
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} … {line[-half:]}"


def without_value(message: str) -> str:
    """Return "x must be …" for "x must be …, but got 3": here the value stands before the rule."""
    return re.sub(r", but got .*?(?=$| \(did you mean)", "", message, flags=re.DOTALL)


def nearest(word: str, allowed: Iterable[str]) -> str | None:
    """Return the one of ``allowed`` that ``word`` was probably meant to be, if any is near enough.

    One that begins with the word, as 'ada2ms(mixing=0.5)' does with 'ada2ms', comes before one that is spelt alike,
    as 'adamw' is.
    """
    names, word = list(allowed), word[:100].lower()
    near = [name for name in names if word and name.lower().startswith(word)]
    near += get_close_matches(word, names, n=1)
    return near[0] if near else None


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the ``nearest`` of ``allowed``, or an empty text."""
    near = nearest(word, allowed)
    return f" (did you mean {near!r}?)" if near else ""


def one_of(word: str, allowed: Iterable[str]) -> str:
    """Return the rule that ``word`` breaks by not being one of ``allowed``."""
    names = list(allowed)
    return f"must be one of {', '.join(names)}{did_you_mean(word, names)}"


def unknown_key(location: Location, value: object, allowed: Iterable[str]) -> Problem:
    """Return the problem that the last key of ``location`` is not one of the ``allowed`` keys."""
    names, key = list(allowed), str(location[-1])
    rule = f"unknown key; allowed: {', '.join(names)}{did_you_mean(key, names)}"
    return Problem(location, value, rule, unknown=True, meant=nearest(key, names))


def blame(message: str, values: Mapping[str, object]) -> Problem:
    """Return the ``message`` of a constructor as the problem of the first of its ``values`` that it names.

    Where it names none, the problem is that of all values together.
    """
    rule = without_value(message)
    for word in re.findall(r"\w+", rule):
        if word in values:
            return Problem((word,), values[word], rule.removeprefix(f"{word} "))
    return Problem((), dict(values), rule)


def raise_all(problems: Iterable[Problem]) -> None:
    """Raise ``problems``, if there are any, as pydantic's own error, which adds where in the study they are."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError(
                "study", "{rule}", {"rule": problem.rule, "unknown": problem.unknown, "meant": problem.meant}
            ),
            loc=problem.location,
            input=problem.value,
        )
        for problem in problems
    ]
    if details:
        raise ValidationError.from_exception_data("study", details)


def shown(value: object) -> str:
    """Return ``value`` as Python writes it, cut short however large or nested it is."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        return f"<{type(value).__name__}>"


def dotted(location: Location) -> str:
    """Return ``("grid", "lr", 2)`` as ``grid.lr[2]``."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            # a key may be any text; only what is plainly a word is written without quotes
            word = part if part.replace("-", "a").replace(".", "a").isidentifier() else shown(part)
            text += f".{word}" if text else word
    return text


def describe(error: ValidationError, keys: Mapping[Location, Iterable[str]]) -> str:
    """Return the first problem of ``error`` in one line, and how many more there are.

    Args:
        error: Pydantic's error.
        keys: The keys allowed in each mapping of the study, by the mapping's location.
    """
    problems = [_problem(details, keys) for details in error.errors(include_url=False)]
    # a misspelt key is named first, and not once more as the missing key that was meant
    unknown = [problem for problem in problems if problem.unknown]
    meant = {(*problem.location[:-1], problem.meant) for problem in unknown}
    others = [
        problem
        for problem in problems
        if not problem.unknown and not (problem.value is NOTHING and problem.location in meant)
    ]
    first, *more = unknown + others
    tail = f" (and {len(more)} more problem{'s' * (len(more) > 1)})" if more else ""
    return one_line(": ".join(filter(None, (dotted(first.location), shown(first.value), first.rule))) + tail)


def _problem(details: Any, keys: Mapping[Location, Iterable[str]]) -> Problem:
    location, value, kind, message = (details[part] for part in ("loc", "input", "type", "msg"))
    if kind == "study":  # as ``raise_all`` raised it
        return Problem(location, value, **details["ctx"])
    if kind == "string_type" and location[-1] == "[key]":  # pydantic's mark for the key itself
        location = location[:-1]
    if kind == "extra_forbidden":
        return unknown_key(location, value, keys.get(location[:-1], ()))
    if kind == "missing":  # pydantic gives the mapping that the key is missing from
        value = NOTHING
    if kind == "value_error":
        message = str(details["ctx"]["error"])
    return Problem(location, value, RULES.get(kind, message.replace("Input should be", "must be")))
