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


class Problem(NamedTuple):
    """One thing that is wrong: where, with what value, and what is allowed instead."""

    location: Location
    value: object
    rule: str


def one_line(text: str) -> str:
    """Return ``text`` in one line, whatever it quotes; a line longer than 800 characters is cut in its middle."""
    line = " ".join(text.split())
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} … {line[-half:]}"


def without_value(message: str) -> str:
    """Return the rule in "x must be …, but got 3": the value is shown before the rule."""
    return re.sub(r", but got .*?(?=$| \(did you mean)", "", message, flags=re.DOTALL)


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the one of ``allowed`` that is most like ``word``, or nothing."""
    near = get_close_matches(word[:100].lower(), list(allowed), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def one_of(word: str, allowed: Iterable[str]) -> str:
    """Return the rule that ``word`` breaks by not being one of ``allowed``."""
    names = list(allowed)
    return f"must be one of {', '.join(names)}{nearest(word, names)}"


def raise_all(problems: Iterable[Problem]) -> None:
    """Raise ``problems`` as pydantic's own error, which keeps their place within the study."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError("study", "{rule}", {"rule": problem.rule}),
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
        error: What pydantic found.
        keys: The keys allowed in each mapping of the study, by the mapping's location.
    """
    problems = [_problem(details, keys) for details in error.errors(include_url=False)]
    # a misspelt key is named first, and not once more as the missing key that was meant
    unknown = [problem for problem in problems if problem.rule.startswith("unknown key")]
    meant = {
        (*problem.location[:-1], key)
        for problem in unknown
        for key in keys.get(problem.location[:-1], ())
        if problem.rule.endswith(f"(did you mean {key!r}?)")
    }
    others = [problem for problem in problems if problem not in unknown and problem.location not in meant]
    first, *more = unknown + others
    tail = f" (and {len(more)} more problem{'s' * (len(more) > 1)})" if more else ""
    value = "nothing" if first.rule.startswith("is required") else shown(first.value)
    return one_line(": ".join(filter(None, (dotted(first.location), value, first.rule))) + tail)


def _problem(details: Any, keys: Mapping[Location, Iterable[str]]) -> Problem:
    location, value, kind, message = (details[part] for part in ("loc", "input", "type", "msg"))
    if kind == "string_type" and location[-1] == "[key]":  # pydantic's mark for the key itself
        location = location[:-1]
    if kind == "extra_forbidden":
        allowed = list(keys.get(location[:-1], ()))
        return Problem(location, value, unknown_key(str(location[-1]), allowed))
    if kind == "value_error":
        message = str(details["ctx"]["error"])
    return Problem(location, value, RULES.get(kind, message.replace("Input should be", "must be")))


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """Return the rule that ``key`` breaks by not being one of the ``allowed`` keys."""
    names = list(allowed)
    return f"unknown key; allowed: {', '.join(names)}{nearest(key, names)}"
