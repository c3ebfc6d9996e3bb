"""Labels: their order, their parts, a suggestion for one that is unknown, and the mark of a reimplementation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def in_order(labels: Iterable[str]) -> list[str]:
    """Sort labels by name, and by the values of their variations as numbers.

    Examples:
        >>> in_order(["b", "a(eps=0.01)", "a(eps=1e-06)", "a"])
        ['a', 'a(eps=1e-06)', 'a(eps=0.01)', 'b']
    """
    return sorted(labels, key=_with_numbers)


def _with_numbers(label: str) -> list[str | float]:
    # texts and numbers alternate, a text first, so that like is compared with like
    return [float(part) if index % 2 else part for index, part in enumerate(_NUMBER.split(label))]


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the one of `names` that is closest to `name`, or an empty text.

    A label that begins with the name, as 'ada2ms(mixing=0.5)' does with 'ada2ms', comes before one with a similar
    spelling, such as 'adamw'.
    """
    known = list(names)
    word = name.lower()
    near = [label for label in known if word and label.lower().startswith(word)]
    near += get_close_matches(word, known, n=1, cutoff=0.4)
    return f" (did you mean {near[0]!r}?)" if near else ""


def parse_label(label: str) -> tuple[str, dict[str, str]]:
    """Split a label such as 'ada2ms(mixing=0.5, scope=model)' into its name and its variations, as text.

    Examples:
        >>> parse_label("ada2ms(mixing=0.5, scope=model)")
        ('ada2ms', {'mixing': '0.5', 'scope': 'model'})
    """
    name, inside = re.fullmatch(r"([^(]*)(?:\((.*)\))?", label, flags=re.DOTALL).groups()  # type: ignore[union-attr]
    pairs = [part.partition("=") for part in (inside or "").split(", ") if "=" in part]
    return name, {key: value for key, _, value in pairs}


_REIMPLEMENTED = "ada2ms"
DAGGER = "†"
"""Marks a reimplementation in figures."""

ORIGIN = "our reimplementation from the abstract"
FOOTNOTE = f"Ada2MS: {ORIGIN}"
"""What the dagger stands for."""


def is_reimplemented(name: str) -> bool:
    """Say whether an optimizer or a label is a reimplementation, which tables and figures must say."""
    return name.startswith(_REIMPLEMENTED)


def any_reimplemented(names: Iterable[object]) -> bool:
    """Say whether a reimplementation is among optimizers or labels."""
    return any(is_reimplemented(str(name)) for name in names)


def dagger(name: str) -> str:
    """Return the dagger if an optimizer or a label is a reimplementation, or an empty text.

    Examples:
        >>> [dagger("ada2ms(mixing=0.5)"), dagger("adamw")]
        ['†', '']
    """
    return DAGGER if is_reimplemented(name) else ""
