"""Naming what was probably meant by a label that is not there."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the one of `names` that is most like `name`, or nothing.

    A label that begins with the name, as 'ada2ms(mixing=0.5)' does with 'ada2ms', comes before one that is
    spelt alike, as 'adamw' is.
    """
    known = list(names)
    word = name.lower()
    near = [label for label in known if word and label.lower().startswith(word)]
    near += get_close_matches(word, known, n=1, cutoff=0.4)
    return f" (did you mean {near[0]!r}?)" if near else ""
